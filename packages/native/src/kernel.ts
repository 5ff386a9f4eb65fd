import type { MemoryMapping, MmapOptions } from './memory-mapping'
import type { MemoryPin } from './memory-pin'
import type { RegisterWindow } from './register-window'
import type { SocketType } from './socket-address'

/** A file descriptor of a {@link Kernel}: an integer that only the kernel which returned it understands. */
export type FileDescriptor = number

/**
 * What the packages ask of an operating system, and the only way they reach it.
 *
 * `linuxKernel()` is the real one; the testkit's fake machine is the other. A verb is one system call and no
 * policy. Every failure is a {@link DmaError} whose `code` is the errno's name and whose `syscall` names the call.
 */
export interface Kernel {
  /** `linux`, or the fake's name: for messages, never for decisions. */
  readonly name: string
  /** Bytes in a base page. */
  readonly pageSize: number
  readonly clock: Clock

  /** open(2). `flags` are Linux's (see `constants`); close-on-exec is always added. */
  open(path: string, flags: number): FileDescriptor
  /** close(2). */
  close(fd: FileDescriptor): void
  /**
   * fcntl(F_DUPFD_CLOEXEC): a descriptor of its own for the same open file, with the same position and flags.
   *
   * `fd` may be any that is open in this process, also one that this kernel did not open: another thread's, or one that
   * was inherited. The answer is counted, closed by `close()`, and closed at the end of this thread.
   */
  duplicate(fd: FileDescriptor): FileDescriptor
  /** read(2), or pread(2) where `position` is given. Returns the bytes read; 0 at the end of the file. */
  read(fd: FileDescriptor, bytes: Uint8Array, position?: number): number
  /** write(2), or pwrite(2) where `position` is given. Returns the bytes written. */
  write(fd: FileDescriptor, bytes: Uint8Array, position?: number): number
  /**
   * ioctl(2). The kernel reads and writes `argument` in place where it is bytes; a number is passed by value.
   * `name` is what an error calls the request.
   */
  ioctl(fd: FileDescriptor, request: number, argument?: Uint8Array | number, name?: string): number

  /** eventfd(2), non-blocking: a counter that starts at `initialCount` (0 to 2^32-1). */
  eventfd(initialCount?: number): FileDescriptor
  /** poll(2) without a thread: resolves with the `POLL…` bits that came true, any of `events` or an error bit. */
  poll(fd: FileDescriptor, events: number, options?: { signal?: AbortSignal }): Promise<number>
  /**
   * Reads a counter each time it becomes readable, on this thread's own event loop, and hands on its value: the
   * eight bytes of an eventfd (events since the last call), or the four of a UIO node (events in total).
   * One watch for each descriptor (`EBUSY` else). Keeps the process alive until closed, unless `unref()` was called.
   */
  watch(fd: FileDescriptor, byteLength: 4 | 8, listener: WatchListener): Watch

  /**
   * memfd_create(2) and ftruncate(2), allowing seals; `F_SEAL_SHRINK` is set before it is returned, since a file
   * that can shrink under a mapping ends the process with SIGBUS.
   * @param options.hugePageSize bytes in a huge page (2 MiB: `0x200000`), to take hugetlb pages.
   */
  memfd(name: string, options: { byteLength: number; hugePageSize?: number }): FileDescriptor
  /** fcntl(F_ADD_SEALS): `seals` are the `F_SEAL_…` bits. */
  addSeals(fd: FileDescriptor, seals: number): void
  /** fcntl(F_GET_SEALS). `EINVAL` for a file that takes no seals. */
  getSeals(fd: FileDescriptor): number
  /** mmap(2), shared: plain memory. The mapping is kept out of forked children (MADV_DONTFORK). */
  mmap(fd: FileDescriptor, options: MmapOptions): MemoryMapping
  /** mmap(2), shared: device registers, reachable only by accesses of an exact width. */
  mapRegisters(fd: FileDescriptor, options: MmapOptions): RegisterWindow
  /** mlock(2) of a part of a mapping. Keeps pages resident; it does **not** pin them in place. */
  mlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void
  /** munlock(2). */
  munlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void
  /**
   * Pins the pages that hold a part of a mapping, all of it by default: they are made where there are none, stay where
   * they are in physical memory, and are kept until the pin is closed, even where the mapping is closed before. What
   * mlock does not do: its pages can be moved.
   *
   * Linux has no call of that name: the range is registered as the fixed buffers of an io_uring (io_uring_setup(2),
   * io_uring_register(2)) that does nothing else. Its descriptor is one of {@link LiveCounters.descriptors}. The pages
   * count against RLIMIT_MEMLOCK of the user, apart from those of mlock(2) and VFIO.
   *
   * `EPERM` and `ENOSYS` where there is no io_uring for this process, `ENOMEM` at the limit, `EMFILE`; `EFAULT` for a
   * mapping that is read-only or of a device's memory; `ENOTSUP` from a kernel that pins no memfd.
   * @param byteLength 1 or more
   */
  pin(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): MemoryPin
  /**
   * Raw `/proc/self/pagemap` entries for the pages from process address `address` on, in one read.
   * Returns how many entries were filled. The frame number reads as 0 without CAP_SYS_ADMIN.
   */
  readPagemap(address: number, entries: BigUint64Array): number

  /** The text of a file in sysfs or procfs, whole. */
  readText(path: string): string
  /** Writes text to a sysfs file in one write(2). */
  writeText(path: string, text: string): void
  /** Names in a directory, sorted. */
  list(path: string): string[]
  /** readlink(2). */
  readLink(path: string): string

  /** unlink(2): takes a name out of its directory, such as a socket's that nobody listens at any more. */
  unlink(path: string): void

  /** socketpair(AF_UNIX, SOCK_SEQPACKET): two connected ends, non-blocking, over which descriptors can travel. */
  socketPair(): [FileDescriptor, FileDescriptor]
  /**
   * socket(AF_UNIX), bind(2) and listen(2), non-blocking. `poll` says POLLIN when somebody has connected.
   *
   * A path makes a file, with the permissions that the umask leaves, which stays when the descriptor is closed: `unlink`
   * it. A `path` that begins with NUL is an abstract name: no file, no permissions, gone with the descriptor.
   *
   * `EADDRINUSE` where the path is there or the name is taken, `EACCES` and `ENOENT` for the directory.
   * @param path 1 to 107 bytes of UTF-8, not counting the NUL of an abstract name
   * @param options.type `stream` by default: bytes without borders. `seqpacket`: messages that stay apart.
   * @param options.backlog connections that may wait to be accepted, 0 to 2^31-1; 128 by default, and at most
   * net.core.somaxconn
   */
  listen(path: string, options?: { type?: SocketType; backlog?: number }): FileDescriptor
  /** accept4(2), non-blocking: a connection of its own. `EAGAIN` when nobody has connected: `poll` first. */
  accept(fd: FileDescriptor): FileDescriptor
  /**
   * socket(AF_UNIX) and connect(2), non-blocking: done when it returns, before the other side has accepted.
   *
   * `ENOENT`, `ECONNREFUSED` where nobody listens, `EACCES` where the file is not writable for this user, `EPROTOTYPE`
   * where it is of the other type, `EAGAIN` where the backlog is full.
   * @param path as for {@link Kernel.listen}
   */
  connect(path: string, options?: { type?: SocketType }): FileDescriptor
  /**
   * sendmsg(2) with SCM_RIGHTS: bytes (at least one) and up to 253 descriptors. Returns the bytes sent.
   *
   * A stream may take fewer than all: the descriptors went with the first of them, the rest is sent without. `EAGAIN`
   * where it takes none: `poll` for POLLOUT. `EPIPE` (never the signal) or `ECONNRESET` where the other end is closed,
   * `EMSGSIZE` for a message that a seqpacket socket never takes, `ETOOMANYREFS` for too many descriptors on their way.
   */
  sendMessage(fd: FileDescriptor, bytes: Uint8Array, descriptors?: readonly FileDescriptor[]): number
  /**
   * recvmsg(2), close-on-exec; `byteLength` 0 at the end. `EAGAIN` when nothing has arrived: `poll` first.
   *
   * The descriptors are all that came, however many were hoped for: they have to be closed. A stream glues what was sent
   * without any to what comes after it and ends each answer with the bytes that brought descriptors, so that those of two
   * messages never mix; they arrive with the first byte of theirs that is read.
   *
   * `EMSGSIZE` for a message longer than `bytes`, `EMFILE` where not all of its descriptors could be opened: it is lost
   * then, and none of them stays open. `ECONNRESET` where the other end was closed with something unread in it.
   */
  receiveMessage(fd: FileDescriptor, bytes: Uint8Array): ReceivedMessage

  /**
   * pidfd_open(2), Linux 5.3: a descriptor of a process, which `poll` calls readable when it has ended. `ESRCH`.
   * @param pid 1 or more
   */
  pidfdOpen(pid: number): FileDescriptor
  /**
   * pidfd_getfd(2), Linux 5.6: a descriptor of the file that another process has open as its `fd`, as duplicate() of it.
   *
   * `EPERM` without the right to trace that process, `EBADF` where it has no such descriptor, `ESRCH` where it has ended.
   */
  pidfdGetfd(pidfd: FileDescriptor, fd: FileDescriptor): FileDescriptor

  /** Present where every mapping of this kernel's devices is to be told of, as on a fake machine, or while a trace is recorded. */
  readonly dmaEvents?: DmaEvents | undefined
  /** Present where the use of DMA by every device of this kernel is to be checked, as on a fake machine. */
  readonly dmaChecks?: DmaChecks | undefined
  /** Present where devices do not see what is in the CPU's caches: never on a real kernel, whose VFIO devices are coherent. */
  readonly dmaCaches?: DmaCaches | undefined
  /** Whether every streaming mapping is to be a copy, as on a kernel that was started with `swiotlb=force`. */
  readonly forceBounce?: boolean | undefined

  /** Tells the user of something that no call is there to throw, such as a leak: process.emitWarning() on the real one. */
  warn(warning: Error): void
  /** What is open now through this kernel: equal before and after a program that leaks nothing. */
  live(): LiveCounters
}

/** What a socket has given: see {@link Kernel.receiveMessage}. */
export interface ReceivedMessage {
  /** How many of the bytes were filled. */
  byteLength: number
  /** Descriptors that came along, each to be closed by whoever received it. */
  descriptors: FileDescriptor[]
}

/** How a kernel wants its devices' use of DMA checked, and who is told. The packages above have what checks. */
export interface DmaChecks {
  /** What becomes of a misuse that nothing else would refuse. */
  readonly onError: 'throw' | 'warn' | 'collect'
  /** Whether to look at bytes, too. */
  readonly contents?: boolean | undefined
  /** Whether to find out of each map and unmap where it was called, or of the first and then of some. */
  readonly callSites?: 'sampled' | 'all' | undefined
  /** Report of the devices of this name only. */
  readonly device?: string | RegExp | undefined
  /** Bytes in a cache line. */
  readonly cacheLineSize?: number | undefined
  /** Told of what checks, once for each copy of the packages that is loaded. */
  onChecker(checker: DmaCheckerView): void
  /** Told of each misuse, also of those that are thrown. */
  onReport(report: Error): void
  /** What a fake device, by its name, has been told to do with these DMA addresses and has not done yet. */
  underWay?(device: string, address: number, byteLength: number): DmaUnderWay | undefined
}

/**
 * The caches between the CPU and devices that do not look into them, as on many Arm machines. What core does for such a device
 * ends here. Addresses are DMA addresses of the device, lengths bytes; where nothing is mapped, nothing is done.
 */
export interface DmaCaches {
  /** What the CPU wrote gets to memory, whole lines, whatever the direction. */
  syncForDevice(device: string, address: number, byteLength: number, direction: number): void
  /** What is in memory gets to the CPU, whole lines, unless the direction (a `DmaDirection`) is to the device. */
  syncForCpu(device: string, address: number, byteLength: number, direction: number): void
  /** The CPU goes to this memory past its caches from now on: coherent memory. */
  bypass(device: string, address: number, byteLength: number): void
}

/** What a kernel sees of what checks for it: `DmaChecker` of `@linux-dma/core`. */
export interface DmaCheckerView {
  readonly reports: readonly Error[]
  readonly errorCount: number
  clear(): void
  /** What is mapped now. */
  dump(): readonly object[]
  /** A fake device, by its name, read or wrote these bytes at a DMA address: told of after the fact. */
  deviceAccessed(
    device: string,
    address: number,
    bytes: Uint8Array,
    access: 'read' | 'write',
    detail?: DmaAccessDetail,
  ): void
}

/** What else is known of an access by a fake device. */
export interface DmaAccessDetail {
  /** It goes on where the one before ended: a burst of the same transfer. */
  readonly continues?: boolean | undefined
  /** Which address was on the bus, where the device drives fewer bits than its address has. */
  readonly wentTo?: number | undefined
}

/** What a fake device has still to do. */
export interface DmaUnderWay {
  readonly access: 'read' | 'write'
  /** How many of the bytes that were asked about. */
  readonly byteLength: number
}

/** Which way the bytes of a mapping go. */
export type DmaEventDirection = 'bidirectional' | 'to-device' | 'from-device'

/** How a mapping was made: alone, as a segment of a table, by an allocation, or of another device's registers. */
export type DmaEventFamily = 'single' | 'sg' | 'coherent' | 'noncoherent' | 'resource'

/**
 * Told of what devices are given, when it is done. Each function gets the device's name; addresses are DMA addresses. Of a segment of a
 * table, what is told is where the device sees it.
 *
 * What it throws is thrown by the call that it is told of, half done: it must not.
 */
export interface DmaEvents {
  /** Whether the bytes are wanted, too: those of a table are copied for it. */
  readonly bytes?: boolean | undefined
  /**
   * Memory, or registers, were mapped.
   * @param at where the program did it; undefined where that was not taken down
   * @param bytes what the device is given, to be copied at once; of a coherent allocation, what both have until it is unmapped.
   *   Undefined where nobody wants them, and where the CPU has none
   * @returns a number that the mapping is called by from then on
   */
  onMap(
    device: string,
    address: number,
    byteLength: number,
    direction: DmaEventDirection,
    family: DmaEventFamily,
    at: string | undefined,
    bytes: Uint8Array | undefined,
  ): number
  /** Part of a mapping was handed over. @param bytes those of the part, after that */
  onSync(
    device: string,
    mapping: number,
    to: 'cpu' | 'device',
    address: number,
    byteLength: number,
    bytes: Uint8Array | undefined,
  ): void
  /** A mapping has ended. @param bytes what the CPU has of it; undefined also where it ended with its memory or region */
  onUnmap(
    device: string,
    mapping: number,
    address: number,
    byteLength: number,
    bytes: Uint8Array | undefined,
  ): void
}

/** Time as the packages see it: the machine's own monotonic clock, or a fake machine's virtual one. */
export interface Clock {
  /** Milliseconds since an arbitrary start, monotonic, with fractions. */
  now(): number
  /** Resolves `milliseconds` (0 or more) later; rejects with the signal's reason as soon as it is aborted. */
  sleep(milliseconds: number, options?: { signal?: AbortSignal }): Promise<void>
}

/** Told of each value that a watched counter had; of the error that ended the watch, once. */
export interface WatchListener {
  onCount(count: number): void
  onError(error: Error): void
}

/** A running {@link Kernel.watch}. */
export interface Watch {
  /** Stops watching; the descriptor stays open. No call to the listener follows. Idempotent. */
  close(): void
  /** Lets the process end while this watch runs. */
  unref(): void
  /** Undoes `unref()`. */
  ref(): void
}

/** Counts of what a {@link Kernel} has handed out and not yet taken back. */
export interface LiveCounters {
  /** Open descriptors. */
  descriptors: number
  /** Memory mappings and register windows that are neither closed nor parked. */
  mappings: number
  /** Bytes in those mappings. */
  mappedBytes: number
  /** Watches and polls under way. */
  watches: number
}
