import {
  type MemoryMapping,
  type MemoryPin,
  type MmapOptions,
  O_RDWR,
  O_WRONLY,
  type RegisterWindow,
} from '@linux-dma/native'
import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { fail, invalidArgument } from '../errors'
import { FakeMapping } from '../memory/mapping'
import { MemFd } from '../memory/memfd'
import { readPagemap } from '../memory/pagemap'
import { checkDescriptor, mapRequest, ownMapping } from './checks'
import type { KernelParts } from './kernel-parts'
import type { MapRequest, OpenFile } from './open-file'
import { FakePin, PinnedPages } from './pinned-pages'
import type { SystemCall } from './system-call'

const O_ACCMODE = 3
/** Of the four, one is for neither reading nor writing. */
const writableModes = [O_WRONLY, O_RDWR]

/** The verbs of memory. */
export class MemoryCalls {
  readonly #parts: KernelParts
  readonly #call: SystemCall
  readonly #close: (fd: number) => void

  constructor(parts: KernelParts, call: SystemCall, close: (fd: number) => void) {
    this.#parts = parts
    this.#call = call
    this.#close = close
  }

  memfd(name: string, options: { byteLength: number; hugePageSize?: number }): number {
    checkText(name, 'name')
    checkOptionNames(options, ['byteLength', 'hugePageSize'], 'memfd')
    const { byteLength } = options
    checkInteger(byteLength, 'byteLength', 1)
    const hugePageSize = checkPageSize(options.hugePageSize)
    const { frames, hugePages, descriptors } = this.#parts
    return this.#call('memfd_create', undefined, () => {
      descriptors.reserve(1)
      if (hugePageSize !== undefined) MemFd.checkHugePages(hugePageSize)
      // The file is there by then: its size is another system call's.
      if (byteLength % (hugePageSize ?? 1) !== 0)
        this.#call('ftruncate', undefined, () => fail('EINVAL', `the size is no multiple of ${hugePageSize}`))
      return descriptors.installNew(MemFd.create(name, { byteLength, hugePageSize }, frames, hugePages))
    })
  }

  addSeals(fd: number, seals: number): void {
    checkDescriptor(fd)
    checkInteger(seals, 'seals', 0, 0x7fffffff)
    this.#call('fcntl(F_ADD_SEALS)', undefined, () => {
      // Of a file of any kind, and first.
      const { path, statusFlags } = this.#parts.descriptors.get(fd)
      if (!writableModes.includes(statusFlags & O_ACCMODE)) fail('EPERM', `${path} is not open for writing`)
      this.#memFd(fd).addSeals(seals)
    })
  }

  getSeals(fd: number): number {
    checkDescriptor(fd)
    return this.#call('fcntl(F_GET_SEALS)', undefined, () => this.#memFd(fd).seals)
  }

  mmap(fd: number, options: MmapOptions): MemoryMapping {
    const request = mapRequest(fd, options)
    this.#checkOpen(fd)
    return this.#call('mmap', undefined, () => {
      const memory = this.#mappable(fd, request).mapMemory(request)
      return new FakeMapping(this.#parts, memory, request.access === 'read-write')
    })
  }

  mapRegisters(fd: number, options: MmapOptions): RegisterWindow {
    const request = mapRequest(fd, options)
    this.#checkOpen(fd)
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
    return new FakePin(() => this.#close(fd))
  }

  readPagemap(address: number, entries: BigUint64Array): number {
    checkInteger(address, 'address', 0)
    if (!(entries instanceof BigUint64Array)) invalidArgument('entries is no BigUint64Array')
    const { addressSpace, frames, process } = this.#parts
    return this.#call('pread', '/proc/self/pagemap', () =>
      readPagemap(addressSpace, frames, process.has('CAP_SYS_ADMIN'), address, entries),
    )
  }

  #mappable(fd: number, request: MapRequest): OpenFile {
    const file = this.#parts.descriptors.get(fd)
    file.checkMappable(request)
    if (file.access === 'write') fail('EACCES', `${file.path} is open for writing only`)
    if (file.access === 'read' && request.access === 'read-write')
      fail('EACCES', `${file.path} is open for reading only`)
    return file
  }

  /** What is to be mapped is looked at before: a descriptor that is not open fails that look. */
  #checkOpen(fd: number): void {
    const { descriptors } = this.#parts
    if (descriptors.find(fd) === undefined) this.#call('statx', undefined, () => void descriptors.get(fd))
  }

  #memFd(fd: number): MemFd {
    const file = this.#parts.descriptors.get(fd)
    return file instanceof MemFd ? file : fail('EINVAL', `${file.path} takes no seals`)
  }
}

/** The size of a huge page, undefined where base pages are meant, as by 0 and 1. */
function checkPageSize(hugePageSize = 0): number | undefined {
  checkInteger(hugePageSize, 'hugePageSize', 0)
  if (hugePageSize > 1 && !Number.isInteger(Math.log2(hugePageSize)))
    invalidArgument(`hugePageSize is ${hugePageSize}, not a power of two`)
  return hugePageSize > 1 ? hugePageSize : undefined
}
