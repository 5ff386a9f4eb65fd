import {
  type Kernel,
  type LiveCounters,
  type MemoryMapping,
  type MemoryPin,
  type MmapOptions,
  O_NONBLOCK,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  type ReceivedMessage,
  type RegisterWindow,
  type SocketType,
  type Watch,
  type WatchListener,
} from '@linux-dma/native'
import { checkInteger, checkOptionNames, checkText } from '../arguments'
import type { VirtualClock } from '../clock'
import { fail, invalidArgument, SystemFailure, systemError } from '../errors'
import { readWhole } from '../fs/text-open-file'
import { FakeMapping } from '../memory/mapping'
import { MemFd } from '../memory/memfd'
import { readPagemap } from '../memory/pagemap'
import { pageSize, settleMirrors } from '../memory/storage'
import { checkDescriptor, checkRequest, checkTransfer, checkWatch, mapRequest, ownMapping } from './checks'
import { EventFd } from './eventfd'
import type { KernelParts } from './kernel-parts'
import type { FileAccess, MapRequest, OpenFile } from './open-file'
import { PidFd } from './pidfd'
import { FakePin, PinnedPages } from './pinned-pages'
import { SocketCalls } from './socket-calls'
import { UserMemory } from './user-memory'

/** A bit of O_SYNC, too. */
const O_DSYNC = 0o10000

const accessModes: readonly FileAccess[] = ['read', 'write', 'read-write']

/** The whole of `Kernel` on objects in memory: each verb checks its arguments, then does what Linux 6.12 does. */
export class FakeKernel implements Kernel {
  readonly name = 'fake'
  readonly pageSize = pageSize
  readonly clock: VirtualClock
  readonly #parts: KernelParts
  readonly #sockets: SocketCalls

  constructor(parts: KernelParts) {
    this.#parts = parts
    this.clock = parts.clock
    this.#sockets = new SocketCalls(parts, (syscall, path, run) => this.#call(syscall, path, run))
  }

  open(path: string, flags: number): number {
    checkText(path, 'path')
    checkInteger(flags, 'flags', 0, 0x7fffffff)
    const access = accessModes[flags & 3]
    return this.#call('open', path, () => {
      // A descriptor first, as Linux does it: a driver hears of no open that fails for the want of one.
      this.#parts.descriptors.reserve(1)
      const file = this.#parts.fs.open(path, access ?? fail('EINVAL', 'no such access mode'))
      file.nonBlocking = (flags & O_NONBLOCK) !== 0
      file.synchronous = (flags & O_DSYNC) !== 0
      return this.#parts.descriptors.installNew(file)
    })
  }

  close(fd: number): void {
    checkDescriptor(fd)
    this.#call('close', undefined, () => {
      this.#parts.descriptors.get(fd)
      this.#parts.waiters.descriptorClosed(fd)
      this.#parts.descriptors.close(fd)
    })
  }

  duplicate(fd: number): number {
    checkDescriptor(fd)
    const { descriptors } = this.#parts
    return this.#call('fcntl(F_DUPFD_CLOEXEC)', undefined, () => descriptors.install(descriptors.get(fd)))
  }

  read(fd: number, bytes: Uint8Array, position?: number): number {
    checkTransfer(fd, bytes, position)
    const syscall = position === undefined ? 'read' : 'pread64'
    return this.#call(syscall, undefined, () => this.#readFile(fd, bytes, position))
  }

  write(fd: number, bytes: Uint8Array, position?: number): number {
    checkTransfer(fd, bytes, position)
    return this.#call(position === undefined ? 'write' : 'pwrite64', undefined, () => {
      const file = this.#parts.descriptors.get(fd)
      if (file.access === 'read') fail('EBADF', `${file.path} is open for reading only`)
      if (position !== undefined && !file.seekable) fail('ESPIPE')
      const count = file.writeAt(bytes, position ?? file.position)
      if (position === undefined) file.position += count
      return count
    })
  }

  ioctl(fd: number, request: number, argument?: Uint8Array | number, name?: string): number {
    checkDescriptor(fd)
    checkRequest(request, argument)
    return this.#call(`ioctl(${name ?? `0x${request.toString(16)}`})`, undefined, () =>
      this.#parts.descriptors.get(fd).ioctl(request, new UserMemory(argument)),
    )
  }

  eventfd(initialCount = 0): number {
    checkInteger(initialCount, 'initialCount', 0, 0xffffffff)
    return this.#call('eventfd2', undefined, () =>
      this.#parts.descriptors.installNew(new EventFd(initialCount, this.#wake)),
    )
  }

  async poll(fd: number, events: number, options: { signal?: AbortSignal } = {}): Promise<number> {
    checkDescriptor(fd)
    checkInteger(events, 'events', 1, 0x7fff)
    if ((events & (POLLIN | POLLPRI | POLLOUT)) === 0)
      invalidArgument('events has none of POLLIN, POLLPRI, POLLOUT')
    checkOptionNames(options, ['signal'], 'poll')
    options.signal?.throwIfAborted()
    return this.#call('poll', undefined, () => {
      const file = this.#parts.descriptors.find(fd)
      // As poll(2): a descriptor that is not open is an answer, not a failure.
      return file === undefined ? POLLNVAL : this.#parts.waiters.poll(fd, file, events, options.signal)
    })
  }

  watch(fd: number, byteLength: 4 | 8, listener: WatchListener): Watch {
    checkDescriptor(fd)
    checkWatch(byteLength, listener)
    const bytes = new Uint8Array(byteLength)
    const view = new DataView(bytes.buffer)
    const read = () => {
      this.#call('read', undefined, () => this.#readFile(fd, bytes, undefined))
      return byteLength === 8 ? Number(view.getBigUint64(0, true)) : view.getUint32(0, true)
    }
    return this.#call('watch', undefined, () =>
      this.#parts.waiters.watch(fd, this.#parts.descriptors.get(fd), POLLIN, read, listener),
    )
  }

  memfd(name: string, options: { byteLength: number; hugePageSize?: number }): number {
    checkText(name, 'name')
    checkOptionNames(options, ['byteLength', 'hugePageSize'], 'memfd')
    checkInteger(options.byteLength, 'byteLength', 1)
    const { frames, hugePages, descriptors } = this.#parts
    return this.#call('memfd_create', undefined, () => {
      descriptors.reserve(1)
      return this.#parts.descriptors.installNew(MemFd.create(name, options, frames, hugePages))
    })
  }

  addSeals(fd: number, seals: number): void {
    checkDescriptor(fd)
    this.#call('fcntl(F_ADD_SEALS)', undefined, () => this.#memFd(fd).addSeals(seals))
  }

  getSeals(fd: number): number {
    checkDescriptor(fd)
    return this.#call('fcntl(F_GET_SEALS)', undefined, () => this.#memFd(fd).seals)
  }

  mmap(fd: number, options: MmapOptions): MemoryMapping {
    const request = mapRequest(fd, options)
    return this.#call('mmap', undefined, () => {
      const memory = this.#mappable(fd, request).mapMemory(request)
      return new FakeMapping(this.#parts, memory, request.access === 'read-write')
    })
  }

  mapRegisters(fd: number, options: MmapOptions): RegisterWindow {
    const request = mapRequest(fd, options)
    return this.#call('mmap', undefined, () => this.#mappable(fd, request).mapRegisters(request))
  }

  mlock(mapping: MemoryMapping, byteOffset = 0, byteLength = mapping.byteLength - byteOffset): void {
    this.#call('mlock', undefined, () => {
      const { process } = this.#parts
      if (process.memlockLimit === 0 && !process.has('CAP_IPC_LOCK')) fail('EPERM', 'RLIMIT_MEMLOCK is 0')
      ownMapping(mapping).lock(byteOffset, byteLength)
    })
  }

  munlock(mapping: MemoryMapping, byteOffset = 0, byteLength = mapping.byteLength - byteOffset): void {
    this.#call('munlock', undefined, () => ownMapping(mapping).unlock(byteOffset, byteLength))
  }

  pin(mapping: MemoryMapping, byteOffset = 0, byteLength?: number): MemoryPin {
    const own = ownMapping(mapping)
    const length = own.checkPart(byteOffset, byteLength)
    const { process, descriptors, ioUring } = this.#parts
    this.#call('io_uring_setup', undefined, () => ioUring.admit(process, descriptors))
    const pinned = () => new PinnedPages(own.pinnable(byteOffset, length), process)
    const fd = this.#call('io_uring_register', undefined, () => this.#parts.descriptors.installNew(pinned()))
    return new FakePin(() => this.close(fd))
  }

  readPagemap(address: number, entries: BigUint64Array): number {
    checkInteger(address, 'address', 0)
    if (!(entries instanceof BigUint64Array)) invalidArgument('entries is no BigUint64Array')
    const { addressSpace, frames, process } = this.#parts
    return this.#call('pread64', '/proc/self/pagemap', () =>
      readPagemap(addressSpace, frames, process.has('CAP_SYS_ADMIN'), address, entries),
    )
  }

  readText(path: string): string {
    checkText(path, 'path')
    return this.#call('open', path, () => {
      const file = this.#parts.fs.open(path, 'read').retain()
      try {
        return readWhole(file)
      } finally {
        file.release()
      }
    })
  }

  writeText(path: string, text: string): void {
    checkText(path, 'path')
    if (text !== '') checkText(text, 'text')
    this.#call('write', path, () => {
      const file = this.#parts.fs.open(path, 'write').retain()
      try {
        file.writeAt(new TextEncoder().encode(text), 0)
      } finally {
        file.release()
      }
    })
  }

  list(path: string): string[] {
    checkText(path, 'path')
    return this.#call('scandir', path, () => this.#parts.fs.list(path))
  }

  readLink(path: string): string {
    checkText(path, 'path')
    return this.#call('readlink', path, () => this.#parts.fs.readLink(path))
  }

  unlink(path: string): void {
    checkText(path, 'path')
    this.#call('unlink', path, () => this.#parts.fs.unlink(path))
  }

  socketPair(): [number, number] {
    return this.#sockets.pair()
  }

  listen(path: string, options?: { type?: SocketType; backlog?: number }): number {
    return this.#sockets.listen(path, options)
  }

  accept(fd: number): number {
    return this.#sockets.accept(fd)
  }

  connect(path: string, options?: { type?: SocketType }): number {
    return this.#sockets.connect(path, options)
  }

  sendMessage(fd: number, bytes: Uint8Array, descriptors?: readonly number[]): number {
    return this.#sockets.send(fd, bytes, descriptors)
  }

  receiveMessage(fd: number, bytes: Uint8Array): ReceivedMessage {
    return this.#sockets.receive(fd, bytes)
  }

  pidfdOpen(pid: number): number {
    checkInteger(pid, 'pid', 1, 0x7fffffff)
    return this.#call('pidfd_open', undefined, () => {
      const { process, descriptors } = this.#parts
      if (pid !== process.pid)
        fail('ESRCH', 'no process has this id', `the machine has one process: ${process.pid}`)
      return descriptors.installNew(new PidFd(pid))
    })
  }

  pidfdGetfd(pidfd: number, fd: number): number {
    checkDescriptor(pidfd)
    checkDescriptor(fd)
    return this.#call('pidfd_getfd', undefined, () => {
      const { descriptors } = this.#parts
      if (!(descriptors.get(pidfd) instanceof PidFd)) fail('EBADF', `descriptor ${pidfd} is no process`)
      return descriptors.install(descriptors.get(fd))
    })
  }

  warn(warning: Error): void {
    this.#parts.warnings.push(warning)
  }

  live(): LiveCounters {
    const { descriptors, open, waiters } = this.#parts
    let mappedBytes = 0
    for (const mapping of open) mappedBytes += mapping.byteLength
    return { descriptors: descriptors.size, mappings: open.size, mappedBytes, watches: waiters.size }
  }

  readonly #wake = () => this.#parts.clock.wake()

  /** Runs a system call: what fails inside becomes the error that a real one gives. */
  #call<Result>(syscall: string, path: string | undefined, run: () => Result): Result {
    const { faultPlan, mirrors } = this.#parts
    try {
      faultPlan.check(syscall)
      settleMirrors(mirrors)
      return run()
    } catch (error) {
      throw error instanceof SystemFailure ? systemError(error, syscall, path) : error
    } finally {
      settleMirrors(mirrors)
    }
  }

  #readFile(fd: number, bytes: Uint8Array, position: number | undefined): number {
    const file = this.#parts.descriptors.get(fd)
    if (file.access === 'write') fail('EBADF', `${file.path} is open for writing only`)
    if (position !== undefined && !file.seekable) fail('ESPIPE')
    const count = file.readAt(bytes, position ?? file.position)
    if (position === undefined) file.position += count
    return count
  }

  #mappable(fd: number, { access }: MapRequest): OpenFile {
    const file = this.#parts.descriptors.get(fd)
    if (file.access === 'write') fail('EACCES', `${file.path} is open for writing only`)
    if (file.access === 'read' && access === 'read-write')
      fail('EACCES', `${file.path} is open for reading only`)
    return file
  }

  #memFd(fd: number): MemFd {
    const file = this.#parts.descriptors.get(fd)
    return file instanceof MemFd ? file : fail('EINVAL', `${file.path} takes no seals`)
  }
}
