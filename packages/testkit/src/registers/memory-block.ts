import type { FakeClock } from '../clock'
import type { Storage } from '../memory/storage'
import type { AccessWidth } from '../models/device-model'
import { accessMilliseconds } from './access-time'
import type { RegisterBlock } from './register-block'

/** Memory that is reached like registers, in accesses of an exact width. */
export class MemoryBlock implements RegisterBlock {
  readonly decodes = true
  readonly #storage: Storage
  readonly #clock: FakeClock

  constructor(
    readonly name: string,
    storage: Storage,
    clock: FakeClock,
  ) {
    this.#storage = storage
    this.#clock = clock
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
    const { buffer, byteOffset: start } = this.#storage.bytes(byteOffset, byteLength)
    return new DataView(buffer, start, byteLength)
  }
}
