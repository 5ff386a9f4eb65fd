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
  type RegisterWindow,
  type Watch,
  type WatchListener,
} from '@linux-dma/native'
import { checkBytes, checkInteger, checkOptionNames, checkText } from '../arguments'
import type { VirtualClock } from '../clock'
import { fail, invalidArgument, SystemFailure, systemError } from '../errors'
import { readWhole } from '../fs/text-open-file'
import { FakeMapping } from '../memory/mapping'
import { MemFd } from '../memory/memfd'
import { readPagemap } from '../memory/pagemap'
import { pageSize, settleMirrors } from '../memory/storage'
import { checkDescriptor, checkMessage, checkTransfer, checkWatch, mapRequest, ownMapping } from './checks'
import { EventFd } from './eventfd'
import type { KernelParts } from './kernel-parts'
import type { FileAccess, MapRequest, OpenFile } from './open-file'
import { FakePin, PinnedPages } from './pinned-pages'
import { receiveInto, SocketEnd } from './socket'
import { UserMemory } from './user-memory'

const accessModes: readonly FileAccess[] = ['read', 'write', 'read-write']

/** The whole of `Kernel` on objects in memory: each verb checks its arguments, then does what Linux 6.12 does. */
export class FakeKernel implements Kernel {
  readonly name = 'fake'
  readonly pageSize = pageSize
  readonly clock: VirtualClock
  readonly #parts: KernelParts

  constructor(parts: KernelParts) {
    this.#parts = parts
    this.clock = parts.clock
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
      return this.#install(file)
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
    checkInteger(request, 'request', 0, 0xffffffff)
    if (typeof argument === 'number') checkInteger(argument, 'argument', 0)
    else if (argument !== undefined) checkBytes(argument, 'argument')
    return this.#call(`ioctl(${name ?? `0x${request.toString(16)}`})`, undefined, () =>
      this.#parts.descriptors.get(fd).ioctl(request, new UserMemory(argument)),
    )
  }

  eventfd(initialCount = 0): number {
    checkInteger(initialCount, 'initialCount', 0, 0xffffffff)
    return this.#call('eventfd2', undefined, () => this.#install(new EventFd(initialCount, this.#wake)))
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
      return this.#install(MemFd.create(name, options, frames, hugePages))
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
    const fd = this.#call('io_uring_register', undefined, () => this.#install(pinned()))
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

  socketPair(): [number, number] {
    return this.#call('socketpair', undefined, () => {
      this.#parts.descriptors.reserve(2)
      const [first, second] = SocketEnd.pair(this.#wake)
      return [this.#install(first), this.#install(second)]
    })
  }

  sendMessage(fd: number, bytes: Uint8Array, descriptors: readonly number[] = []): number {
    checkDescriptor(fd)
    checkMessage(bytes)
    if (!Array.isArray(descriptors) || descriptors.length > 253) {
      invalidArgument('descriptors is no array of 253 descriptors at most')
    }
    for (const descriptor of descriptors) checkDescriptor(descriptor)
    return this.#call('sendmsg', undefined, () => {
      const files = descriptors.map((descriptor) => this.#parts.descriptors.get(descriptor))
      return this.#socket(fd).send(bytes, files)
    })
  }

  receiveMessage(fd: number, bytes: Uint8Array): { byteLength: number; descriptors: number[] } {
    checkDescriptor(fd)
    checkMessage(bytes)
    return this.#call('recvmsg', undefined, () => {
      const message = this.#socket(fd).receive()
      if (message === undefined) return { byteLength: 0, descriptors: [] }
      return receiveInto(bytes, message, this.#parts.descriptors)
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

  /** A descriptor for a file that nobody refers to yet: given back where there is no number left for it. */
  #install(file: OpenFile): number {
    file.retain()
    try {
      return this.#parts.descriptors.install(file)
    } finally {
      file.release()
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

  #socket(fd: number): SocketEnd {
    const file = this.#parts.descriptors.get(fd)
    return file instanceof SocketEnd ? file : fail('ENOTSOCK', `${file.path} is no socket`)
  }
}
