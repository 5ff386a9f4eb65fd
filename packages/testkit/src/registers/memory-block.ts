import { DmaError } from '@linux-dma/native'
import type { FakeClock } from '../clock'
import { pageSize, type Storage } from '../memory/storage'
import type { AccessWidth } from '../models/device-model'
import { accessMilliseconds } from './access-time'
import type { RegisterBlock } from './register-block'

/** Memory that is reached like registers, in accesses of an exact width. */
export class MemoryBlock implements RegisterBlock {
  readonly decodes = true
  readonly #storage: Storage
  readonly #clock: FakeClock
  readonly #hasOwner: () => boolean
  /** Pages that were accessed, and are thus there whatever becomes of their owner. */
  readonly #touched = new Set<number>()

  /** `hasOwner`: whether there is somebody to bring in a page that is accessed for the first time. */
  constructor(
    readonly name: string,
    storage: Storage,
    clock: FakeClock,
    hasOwner: () => boolean,
  ) {
    this.#storage = storage
    this.#clock = clock
    this.#hasOwner = hasOwner
  }

  read(byteOffset: number, width: AccessWidth): number | bigint {
    // A program that polls memory gets on only where time does.
    this.#clock.advance(accessMilliseconds)
    const view = this.#view(byteOffset, width / 8)
    if (width === 64) return view.getBigUint64(0, true)
    if (width === 32) return view.getUint32(0, true)
    return width === 16 ? view.getUint16(0, true) : view.getUint8(0)
  }

  write(byteOffset: number, width: AccessWidth, value: number | bigint): void {
    this.#clock.advance(accessMilliseconds)
    const view = this.#view(byteOffset, width / 8)
    if (width === 64) view.setBigUint64(0, BigInt(value), true)
    else if (width === 32) view.setUint32(0, Number(value), true)
    else if (width === 16) view.setUint16(0, Number(value), true)
    else view.setUint8(0, Number(value))
  }

  access(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    const memory = this.#storage.bytes(byteOffset, bytes.byteLength)
    if (direction === 'read') bytes.set(memory)
    else memory.set(bytes)
  }

  /** Made for each access: the storage may have moved to another buffer. */
  #view(byteOffset: number, byteLength: number): DataView {
    this.#touch(Math.floor(byteOffset / pageSize))
    const { buffer, byteOffset: start } = this.#storage.bytes(byteOffset, byteLength)
    return new DataView(buffer, start, byteLength)
  }

  #touch(page: number): void {
    if (this.#touched.has(page)) return
    if (!this.#hasOwner()) {
      throw new DmaError(
        'DMA_BUS_ERROR',
        `page ${page} of the ${this.name} was never accessed, and its driver is gone: Linux would raise SIGBUS`,
        { hint: 'close what is mapped of a device when its driver goes' },
      )
    }
    this.#touched.add(page)
  }
}
