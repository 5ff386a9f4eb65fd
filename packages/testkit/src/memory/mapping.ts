import { callSite, DmaError, type MemoryMapping } from '@linux-dma/native'
import { checkInteger, checkOptionNames } from '../arguments'
import { fail, invalidArgument } from '../errors'
import type { FakeProcess } from '../process'
import type { AddressSpace, Area } from './address-space'
import { type MemoryRange, pageSize } from './storage'

const pinHint = "only memory that is mapped for reading and writing has pages to pin, and not a device's"

/** What a mapping needs of its machine. */
export interface MappingOwner {
  readonly process: FakeProcess
  readonly addressSpace: AddressSpace
  /** Mappings and register windows that are open. */
  readonly open: Set<{ readonly byteLength: number; describe(): string }>
}

/** Plain memory of the fake machine, mapped: see {@link Storage} for what closing does to views. */
export class FakeMapping implements MemoryMapping {
  readonly byteLength: number
  readonly #owner: MappingOwner
  readonly #area: Area
  readonly #memory: MemoryRange
  readonly #openedAt = callSite()
  readonly #lockedPages = new Set<number>()
  #bytes: Uint8Array | undefined
  #closed = false

  constructor(owner: MappingOwner, memory: MemoryRange, writable: boolean) {
    const huge = memory.storage.hugePageSize
    this.byteLength = memory.byteLength
    this.#owner = owner
    this.#memory = memory
    this.#area = owner.addressSpace.add(memory, writable, huge)
    memory.storage.map(memory.mayWrite ?? writable)
    memory.file?.retain()
    owner.open.add(this)
  }

  get address(): number {
    return this.#area.address
  }

  get closed(): boolean {
    return this.#closed
  }

  get bytes(): Uint8Array {
    this.#assertOpen()
    const { storage, byteOffset } = this.#memory
    this.#bytes ??= storage.expose(byteOffset, this.byteLength)
    return this.#bytes
  }

  /** Locks the pages that hold a range; `unlock` gives back those of a range that are locked. */
  lock(byteOffset: number, byteLength: number): void {
    const { process } = this.#owner
    const pages = this.#pages(byteOffset, byteLength).filter((page) => !this.#lockedPages.has(page))
    process.checkLock(pages.length)
    // Huge pages, and those of a dma-buf or a driver, stay where they are: Linux locks none of them, and counts none.
    if (!this.#memory.pinnable || this.#memory.storage.hugePageSize !== undefined) return
    process.lockPages(pages.length)
    for (const page of pages) this.#lockedPages.add(page)
  }

  unlock(byteOffset: number, byteLength: number): void {
    const pages = this.#pages(byteOffset, byteLength).filter((page) => this.#lockedPages.delete(page))
    this.#owner.process.unlockPages(pages.length)
  }

  /** The length of a part of at least one byte: the rest, where none is given. */
  checkPart(byteOffset: number, byteLength: number | undefined): number {
    this.#assertOpen()
    checkInteger(byteOffset, 'byteOffset', 0, this.byteLength - 1)
    const rest = this.byteLength - byteOffset
    return byteLength === undefined ? rest : checkInteger(byteLength, 'byteLength', 1, rest)
  }

  /** The memory of a part, to be pinned. `EFAULT` where it cannot be. */
  pinnable(byteOffset: number, byteLength: number): MemoryRange {
    const memory = this.#memory
    const { writable } = this.#area
    if (!memory.pinnable)
      fail('EFAULT', 'the mapping, of a dma-buf or a driver, has no pages to pin', pinHint)
    if (!writable) fail('EFAULT', 'the memory is mapped for reading only', pinHint)
    return { ...memory, byteOffset: memory.byteOffset + byteOffset, byteLength }
  }

  close(options: { detach?: boolean } = {}): void {
    checkOptionNames(options, ['detach'], 'close')
    if (this.#closed) return
    this.#closed = true
    this.#bytes = undefined
    const memory = this.#memory
    const { writable } = this.#area
    this.#owner.process.unlockPages(this.#lockedPages.size)
    this.#owner.addressSpace.remove(this.#area)
    this.#owner.open.delete(this)
    memory.storage.unmap(memory.mayWrite ?? writable, options.detach === true)
    // The last close of a driver's file may free what was mapped.
    memory.file?.release()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  describe(): string {
    const { file } = this.#memory
    const what = file === undefined ? '' : ` of ${file.path}`
    return `mapping of ${this.byteLength} bytes${what} at 0x${this.address.toString(16)}, made ${this.#openedAt}`
  }

  #assertOpen(): void {
    if (this.#closed) throw new DmaError('DMA_CLOSED', 'the memory mapping is closed')
  }

  #pages(byteOffset: number, byteLength: number): number[] {
    this.#assertOpen()
    if (!(byteOffset >= 0 && byteLength >= 0 && byteOffset + byteLength <= this.byteLength)) {
      invalidArgument(`bytes ${byteOffset} to ${byteOffset + byteLength} of a mapping of ${this.byteLength}`)
    }
    const first = Math.floor(byteOffset / pageSize)
    const end = Math.ceil((byteOffset + byteLength) / pageSize)
    return Array.from({ length: end - first }, (_, index) => first + index)
  }
}
