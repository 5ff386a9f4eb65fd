import { type Addon, loadAddon, type MappingHandle } from './addon'
import { newDescriptor } from './descriptor-requests'
import { DmaError } from './errors'
import type {
  Clock,
  FileDescriptor,
  Kernel,
  LiveCounters,
  ReceivedMessage,
  Watch,
  WatchListener,
} from './kernel'
import { LinuxMapping, viewOf } from './linux-mapping'
import { pidfdGetfd, pidfdOpen } from './linux-processes'
import { accept, connect, listen, receiveMessage, sendMessage } from './linux-sockets'
import { memfdHint, mmapHint } from './memory-hints'
import type { MemoryMapping, MmapOptions } from './memory-mapping'
import type { MemoryPin } from './memory-pin'
import { checkMmapOptions, type Range } from './mmap-options'
import { OrderedRegisterWindow } from './ordered-register-window'
import { readPagemap } from './pagemap'
import type { RegisterWindow } from './register-window'
import type { SocketType } from './socket-address'
import { systemClock } from './system-clock'
import { type ErrorContext, toDmaError } from './system-error'
import { list, readLink, readText, unlink, writeText } from './system-files'
import { TypedRegisterWindow } from './typed-register-window'
import {
  checkBytes,
  checkDescriptor,
  checkInteger,
  checkOptions,
  checkText,
  invalidArgument,
} from './validate'
import { pollOnce, startWatch } from './watch'

const UINT32_MAX = 0xffffffff
const INT32_MAX = 0x7fffffff
const NO_POSITION = -1
/** A window's offsets are 32-bit integers. */
const LARGEST_WINDOW = 2 ** 32

let kernel: Kernel | undefined

/**
 * The Linux that this process runs on. One object for each thread; the compiled addon is loaded at the first call.
 *
 * What a thread opens through it is closed at that thread's end, whatever way it ends.
 * @throws DMA_NATIVE_UNAVAILABLE where this is not Linux, or no addon fits this machine
 */
export function linuxKernel(): Kernel {
  kernel ??= createLinuxKernel(loadAddon())
  return kernel
}

/**
 * A kernel over a given addon. Internal: for tests.
 * @param orderedRegisters whether the machine orders device accesses only by barriers; default: as it is known to be
 */
export function createLinuxKernel(addon: Addon, { orderedRegisters = !ordersDeviceAccesses() } = {}): Kernel {
  return new LinuxKernel(addon, orderedRegisters)
}

function ordersDeviceAccesses(): boolean {
  return process.arch === 'x64' || process.arch === 'ia32'
}

function call<Value>(native: () => Value, context?: ErrorContext): Value {
  try {
    return native()
  } catch (error) {
    throw toDmaError(error, context)
  }
}

class LinuxKernel implements Kernel {
  readonly name = 'linux'
  readonly pageSize: number
  readonly clock: Clock = systemClock
  readonly readText = readText
  readonly writeText = writeText
  readonly list = list
  readonly readLink = readLink
  readonly unlink = unlink
  readonly #addon: Addon
  readonly #orderedRegisters: boolean

  constructor(addon: Addon, orderedRegisters: boolean) {
    this.#addon = addon
    this.#orderedRegisters = orderedRegisters
    this.pageSize = addon.pageSize
  }

  warn(warning: Error): void {
    process.emitWarning(warning)
  }

  open(path: string, flags: number): FileDescriptor {
    checkText('path', path)
    checkInteger('flags', flags, 0, INT32_MAX)
    return call(() => this.#addon.open(path, flags), { path })
  }

  close(fd: FileDescriptor): void {
    checkDescriptor(fd)
    call(() => this.#addon.close(fd))
  }

  duplicate(fd: FileDescriptor): FileDescriptor {
    checkDescriptor(fd)
    return call(() => this.#addon.duplicate(fd))
  }

  read(fd: FileDescriptor, bytes: Uint8Array, position?: number): number {
    const place = checkTransfer(fd, bytes, position)
    return call(() => this.#addon.read(fd, bytes, place))
  }

  write(fd: FileDescriptor, bytes: Uint8Array, position?: number): number {
    const place = checkTransfer(fd, bytes, position)
    return call(() => this.#addon.write(fd, bytes, place))
  }

  ioctl(fd: FileDescriptor, request: number, argument: Uint8Array | number = 0, name?: string): number {
    checkDescriptor(fd)
    checkInteger('request', request, 0, UINT32_MAX)
    if (typeof argument === 'number') checkInteger('argument', argument, 0, Number.MAX_SAFE_INTEGER)
    else checkBytes('argument', argument)
    // No closure and no text before something went wrong: memory is mapped through here.
    try {
      const result = this.#addon.ioctl(fd, request, argument)
      const made = newDescriptor(request, result, argument)
      if (made !== undefined) this.#addon.adopt(made)
      return result
    } catch (error) {
      throw toDmaError(error, { syscall: `ioctl(${name ?? `0x${request.toString(16)}`})` })
    }
  }

  eventfd(initialCount = 0): FileDescriptor {
    checkInteger('initialCount', initialCount, 0, UINT32_MAX)
    return call(() => this.#addon.eventfd(initialCount))
  }

  async poll(fd: FileDescriptor, events: number, options?: { signal?: AbortSignal }): Promise<number> {
    return pollOnce(this.#addon, checkDescriptor(fd), events, options)
  }

  watch(fd: FileDescriptor, byteLength: 4 | 8, listener: WatchListener): Watch {
    return startWatch(this.#addon, checkDescriptor(fd), byteLength, listener)
  }

  memfd(name: string, options: { byteLength: number; hugePageSize?: number }): FileDescriptor {
    checkText('name', name)
    const { byteLength, hugePageSize = 0 } = checkOptions('memfd', options, ['byteLength', 'hugePageSize'])
    checkInteger('byteLength', byteLength, 1, Number.MAX_SAFE_INTEGER)
    const shift = Math.log2(checkInteger('hugePageSize', hugePageSize, 0, Number.MAX_SAFE_INTEGER) || 1)
    if (!Number.isInteger(shift)) throw invalidArgument('hugePageSize', hugePageSize, 'a power of two')
    return call(() => this.#addon.memfd(name, byteLength, shift), {
      hint: (code) => memfdHint(code, hugePageSize),
    })
  }

  addSeals(fd: FileDescriptor, seals: number): void {
    checkDescriptor(fd)
    checkInteger('seals', seals, 0, INT32_MAX)
    call(() => this.#addon.addSeals(fd, seals))
  }

  getSeals(fd: FileDescriptor): number {
    checkDescriptor(fd)
    return call(() => this.#addon.getSeals(fd))
  }

  mmap(fd: FileDescriptor, options: MmapOptions): MemoryMapping {
    const range = checkMmapOptions('mmap', options, this.pageSize)
    return new LinuxMapping(this.#addon, this.#map(fd, range), range.byteLength)
  }

  mapRegisters(fd: FileDescriptor, options: MmapOptions): RegisterWindow {
    const range = checkMmapOptions('mapRegisters', options, this.pageSize)
    if (range.byteLength > LARGEST_WINDOW) {
      throw new DmaError('DMA_TOO_LARGE', `a register window has at most ${LARGEST_WINDOW} bytes`, {
        hint: 'map the registers in parts: mapRegisters(fd, { byteLength, position })',
      })
    }
    const addon = this.#addon
    const handle = this.#map(fd, range)
    try {
      const mapping = {
        addon,
        handle,
        buffer: viewOf(addon, handle, range.byteLength),
        writable: range.writable,
      }
      return this.#orderedRegisters ? new OrderedRegisterWindow(mapping) : new TypedRegisterWindow(mapping)
    } catch (error) {
      addon.closeMapping(handle)
      throw error
    }
  }

  mlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void {
    checkMapping(mapping).lock(true, byteOffset, byteLength)
  }

  munlock(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): void {
    checkMapping(mapping).lock(false, byteOffset, byteLength)
  }

  pin(mapping: MemoryMapping, byteOffset?: number, byteLength?: number): MemoryPin {
    return checkMapping(mapping).pin(byteOffset, byteLength)
  }

  readPagemap(address: number, entries: BigUint64Array): number {
    return readPagemap(this.#addon, address, entries)
  }

  socketPair(): [FileDescriptor, FileDescriptor] {
    return call(() => this.#addon.socketPair())
  }

  listen(path: string, options?: { type?: SocketType; backlog?: number }): FileDescriptor {
    return listen(this.#addon, path, options)
  }

  accept(fd: FileDescriptor): FileDescriptor {
    return accept(this.#addon, fd)
  }

  connect(path: string, options?: { type?: SocketType }): FileDescriptor {
    return connect(this.#addon, path, options)
  }

  sendMessage(fd: FileDescriptor, bytes: Uint8Array, descriptors: readonly FileDescriptor[] = []): number {
    return sendMessage(this.#addon, fd, bytes, descriptors)
  }

  receiveMessage(fd: FileDescriptor, bytes: Uint8Array): ReceivedMessage {
    return receiveMessage(this.#addon, fd, bytes)
  }

  pidfdOpen(pid: number): FileDescriptor {
    return pidfdOpen(this.#addon, pid)
  }

  pidfdGetfd(pidfd: FileDescriptor, fd: FileDescriptor): FileDescriptor {
    return pidfdGetfd(this.#addon, pidfd, fd)
  }

  live(): LiveCounters {
    const { descriptors, mappings, mappedBytes, watches } = this.#addon.live()
    return { descriptors, mappings, mappedBytes, watches }
  }

  #map(fd: FileDescriptor, { byteLength, position, writable }: Range): MappingHandle {
    checkDescriptor(fd)
    return call(() => this.#addon.map(fd, byteLength, position, writable), {
      hint: (code) => mmapHint(this.#addon, code, fd, byteLength),
    })
  }
}

function checkTransfer(fd: FileDescriptor, bytes: Uint8Array, position: number | undefined): number {
  checkDescriptor(fd)
  checkBytes('bytes', bytes)
  return position === undefined ? NO_POSITION : checkInteger('position', position, 0, Number.MAX_SAFE_INTEGER)
}

function checkMapping(mapping: MemoryMapping): LinuxMapping {
  if (mapping instanceof LinuxMapping) return mapping
  throw invalidArgument('mapping', mapping, 'a mapping that mmap() of this kernel returned')
}
