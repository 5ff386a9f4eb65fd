import {
  type DmaCaches,
  type DmaChecks,
  type DmaEvents,
  type Kernel,
  type LiveCounters,
  type MemoryMapping,
  type MemoryPin,
  type MmapOptions,
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
import { checkInteger, checkOptionNames } from '../arguments'
import type { VirtualClock } from '../clock'
import { fail, invalidArgument, SystemFailure, systemError } from '../errors'
import { pageSize, settleMirrors } from '../memory/storage'
import { checkDescriptor, checkRequest, checkTransfer, checkWatch } from './checks'
import { EventFd } from './eventfd'
import type { KernelParts } from './kernel-parts'
import { MemoryCalls } from './memory-calls'
import { PathCalls } from './path-calls'
import { PidFd } from './pidfd'
import { SocketCalls } from './socket-calls'
import type { SystemCall } from './system-call'
import { UserMemory } from './user-memory'

/** The whole of `Kernel` on objects in memory: each verb checks its arguments, then does what Linux 6.12 does. */
export class FakeKernel implements Kernel {
  readonly name = 'fake'
  readonly pageSize = pageSize
  readonly clock: VirtualClock
  readonly dmaChecks: DmaChecks | undefined
  readonly dmaEvents: DmaEvents | undefined
  readonly dmaCaches: DmaCaches | undefined
  readonly forceBounce: boolean
  readonly #parts: KernelParts
  readonly #memory: MemoryCalls
  readonly #paths: PathCalls
  readonly #sockets: SocketCalls

  constructor(parts: KernelParts) {
    this.#parts = parts
    this.clock = parts.clock
    this.dmaChecks = parts.dmaErrors
    this.dmaEvents = parts.trace
    this.dmaCaches = parts.caches
    this.forceBounce = parts.forceBounce
    const call: SystemCall = (syscall, path, run) => this.#call(syscall, path, run)
    this.#memory = new MemoryCalls(parts, call, (fd) => this.close(fd))
    this.#paths = new PathCalls(parts, call)
    this.#sockets = new SocketCalls(parts, call)
  }

  open(path: string, flags: number): number {
    return this.#paths.open(path, flags)
  }

  close(fd: number): void {
    checkDescriptor(fd)
    const run = () => {
      this.#parts.descriptors.get(fd)
      this.#parts.waiters.descriptorClosed(fd)
      this.#parts.descriptors.close(fd)
    }
    // As on Linux, the descriptor is gone whatever the answer is.
    this.#call('close', undefined, run, 'fails after')
  }

  duplicate(fd: number): number {
    checkDescriptor(fd)
    const { descriptors } = this.#parts
    return this.#call('fcntl(F_DUPFD_CLOEXEC)', undefined, () => descriptors.install(descriptors.get(fd)))
  }

  read(fd: number, bytes: Uint8Array, position?: number): number {
    checkTransfer(fd, bytes, position)
    const syscall = position === undefined ? 'read' : 'pread'
    return this.#call(syscall, undefined, () => this.#readFile(fd, bytes, position))
  }

  write(fd: number, bytes: Uint8Array, position?: number): number {
    checkTransfer(fd, bytes, position)
    return this.#call(position === undefined ? 'write' : 'pwrite', undefined, () => {
      const file = this.#parts.descriptors.get(fd)
      if (position !== undefined && !file.seekable) fail('ESPIPE')
      if (file.access === 'read') fail('EBADF', `${file.path} is open for reading only`)
      const count = file.writeAt(bytes, position ?? file.position)
      if (position === undefined && file.seekable) file.position += count
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
    const { clock, descriptors } = this.#parts
    const made = () => new EventFd(initialCount, () => clock.wake())
    return this.#call('eventfd', undefined, () => descriptors.installNew(made()))
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
    return this.#call('epoll_ctl', undefined, () =>
      this.#parts.waiters.watch(fd, this.#parts.descriptors.get(fd), POLLIN, read, listener),
    )
  }

  memfd(name: string, options: { byteLength: number; hugePageSize?: number }): number {
    return this.#memory.memfd(name, options)
  }

  addSeals(fd: number, seals: number): void {
    this.#memory.addSeals(fd, seals)
  }

  getSeals(fd: number): number {
    return this.#memory.getSeals(fd)
  }

  mmap(fd: number, options: MmapOptions): MemoryMapping {
    return this.#memory.mmap(fd, options)
  }

  mapRegisters(fd: number, options: MmapOptions): RegisterWindow {
    return this.#memory.mapRegisters(fd, options)
  }

  mlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void {
    this.#memory.mlock(mapping, byteOffset, byteLength)
  }

  munlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void {
    this.#memory.munlock(mapping, byteOffset, byteLength)
  }

  pin(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): MemoryPin {
    return this.#memory.pin(mapping, byteOffset, byteLength)
  }

  readPagemap(address: number, entries: BigUint64Array): number {
    return this.#memory.readPagemap(address, entries)
  }

  readText(path: string): string {
    return this.#paths.readText(path)
  }

  writeText(path: string, text: string): void {
    this.#paths.writeText(path, text)
  }

  list(path: string): string[] {
    return this.#paths.list(path)
  }

  readLink(path: string): string {
    return this.#paths.readLink(path)
  }

  unlink(path: string): void {
    this.#paths.unlink(path)
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
    const { process, descriptors } = this.#parts
    return this.#call('pidfd_open', undefined, () => {
      const hint = `the machine has one process: ${process.pid}`
      return pid === process.pid
        ? descriptors.installNew(new PidFd(pid))
        : fail('ESRCH', 'no process has this id', hint)
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

  /** Runs a system call: what fails inside becomes the error that a real one gives. */
  #call<Result>(
    syscall: string,
    path: string | undefined,
    run: () => Result,
    when: 'fails before' | 'fails after' = 'fails before',
  ): Result {
    const { faultPlan, mirrors } = this.#parts
    try {
      if (when === 'fails before') faultPlan.check(syscall, path)
      settleMirrors(mirrors)
      const result = run()
      if (when === 'fails after') faultPlan.check(syscall, path)
      return result
    } catch (error) {
      throw error instanceof SystemFailure ? systemError(error, syscall, path) : error
    } finally {
      settleMirrors(mirrors)
    }
  }

  #readFile(fd: number, bytes: Uint8Array, position: number | undefined): number {
    const file = this.#parts.descriptors.get(fd)
    if (position !== undefined && !file.seekable) fail('ESPIPE')
    if (file.access === 'write') fail('EBADF', `${file.path} is open for writing only`)
    const count = file.readAt(bytes, position ?? file.position)
    if (position === undefined && file.seekable) file.position += count
    return count
  }
}
