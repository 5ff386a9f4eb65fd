import { DmaError } from '@linux-dma/core'
import type { UioMapInfo } from '../discovery/uio-device-info'
import type { UioConnection } from './connection'
import { mapRange } from './map-range'

/**
 * Memory that a UIO driver shares with this process: plain bytes. It is taken out of the process when it is closed, with its device
 * at the latest, and when the driver goes, which may free it: a view shows zeros from then on, and what is written to it.
 */
export class UioMemory implements Disposable {
  /** What its driver calls the map. */
  readonly name: string
  readonly byteLength: number
  readonly #bytes: Uint8Array
  readonly #node: string
  readonly #connection: UioConnection
  readonly #mapping: { readonly closed: boolean; close(): void }
  readonly #stopWaiting: () => void

  /** @internal use {@link UioDevice.mapMemory} */
  constructor(connection: UioConnection, map: UioMapInfo) {
    const { kernel, fd, info } = connection
    const { position, mappedLength, byteOffset, byteLength } = mapRange(map, kernel.pageSize)
    const mapping = kernel.mmap(fd, { position, byteLength: mappedLength })
    try {
      this.#bytes = mapping.bytes.subarray(byteOffset, byteOffset + byteLength)
      holdPages(mapping.bytes, kernel.pageSize)
      // Gone meanwhile: what was mapped is being freed.
      connection.assertPresent()
    } catch (error) {
      mapping.close()
      throw error
    }
    this.#mapping = mapping
    this.#connection = connection
    this.#node = info.node
    this.name = map.name
    this.byteLength = byteLength
    this.#stopWaiting = connection.onGone(() => mapping.close())
  }

  /** The bytes. Where the device has no interrupt, to ask for them is a system call: keep them. @throws DMA_DEVICE_GONE, DMA_CLOSED */
  get bytes(): Uint8Array {
    this.#connection.assertNotGone()
    if (!this.closed) return this.#bytes
    throw new DmaError('DMA_CLOSED', `the memory '${this.name}' of ${this.#node} is closed`, {
      hint: 'map it again: device.mapMemory()',
    })
  }

  get closed(): boolean {
    return this.#mapping.closed
  }

  /** Takes it out of the process. Idempotent. */
  close(): void {
    this.#stopWaiting()
    this.#mapping.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/**
 * Touches each page. Those of a driver's own memory are put into the process when they are first accessed, which ends the
 * process once the driver is gone; those that are there stay.
 */
function holdPages(bytes: Uint8Array, pageSize: number): void {
  for (let at = 0; at < bytes.byteLength; at += pageSize) Atomics.load(bytes, at)
}
