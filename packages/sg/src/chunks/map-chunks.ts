import type { DmaDevice, TransferDirection } from '@linux-dma/core'
import { assertMappable } from '../mapping/map-sgtable'
import type { SgTable } from '../table/sg-table'
import { type ChunkOptions, checkLimits, MAP_OPTIONS } from './chunk-limits'
import { ChunkMapper } from './chunk-mapper'
import type { MappedChunk } from './mapped-chunk'

/** Chunks of a table, mapped one at a time: see {@link mapChunks}. */
export class ChunkIterator implements IterableIterator<MappedChunk>, Disposable {
  readonly #mapper: ChunkMapper
  #current: MappedChunk | undefined
  #done = false

  /** @internal */
  constructor(mapper: ChunkMapper) {
    this.#mapper = mapper
  }

  /** Unmaps the last chunk where that has not been done, and maps the next. */
  next(): IteratorResult<MappedChunk, undefined> {
    if (this.#done) return { done: true, value: undefined }
    // Over, unless all goes well.
    this.#done = true
    this.#leave()
    const chunk = this.#mapper.next()
    if (!chunk) return { done: true, value: undefined }
    this.#current = chunk
    this.#done = false
    return { done: false, value: chunk }
  }

  /** Ends early: what a loop calls that is left by `break` or by an error. */
  return(): IteratorResult<MappedChunk, undefined> {
    this.#done = true
    this.#leave()
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }

  [Symbol.dispose](): void {
    this.return()
  }

  #leave(): void {
    const chunk = this.#current
    this.#current = undefined
    chunk?.[Symbol.dispose]()
  }
}

/**
 * Gives a table to a device in chunks of what its engine takes at a time. A chunk is mapped when it is asked for, and
 * unmapped when it is disposed, when the next one is asked for, or when the loop is left in whatever way. For several
 * at a time there is {@link forEachChunk}.
 *
 * The limits hold for the segments as the device sees them, after joining: a piece that is too long, or would cross the
 * boundary, is cut. In a region no chunk costs a system call.
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE for options that are none, before anything happens; at each step, what
 *   {@link dmaMapSgtable} throws
 * @example
 * ```ts
 * for (const chunk of mapChunks(device, table, DmaDirection.ToDevice, { maxBytes: 4096, maxSegments: 1 })) {
 *   await send(chunk.dmaAddressAt(0), chunk.byteLength)
 * }
 * ```
 */
export function mapChunks(
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  options: ChunkOptions,
): ChunkIterator {
  const limits = checkLimits('mapChunks', device, options, MAP_OPTIONS)
  const { attributes = 0 } = options
  assertMappable('mapChunks', device, table, direction, attributes)
  return new ChunkIterator(new ChunkMapper(device, table, direction, limits, attributes))
}
