import { assertSignal, type DmaDevice, DmaError, type TransferDirection } from '@linux-dma/core'
import { assertMappable } from '../mapping/map-sgtable'
import type { SgTable } from '../table/sg-table'
import { type ChunkOptions, checkLimits, MAP_OPTIONS } from './chunk-limits'
import { ChunkMapper } from './chunk-mapper'
import { transferIncomplete } from './chunk-transfer-error'
import { isFull } from './is-full'
import type { MappedChunk } from './mapped-chunk'

/** How to transfer a table in chunks: see {@link forEachChunk}. */
export interface ChunkTransferOptions extends ChunkOptions {
  /**
   * Chunks that are mapped at a time, at most: 1 to 65535. Default 1. Where the device has no room for so many, the next
   * one waits for one to end.
   */
  inFlight?: number
  /** Stops the transfer: no more chunks are begun, and those in flight are waited for. */
  signal?: AbortSignal
  /**
   * Brings the device to rest, after `dmaengine_terminate_sync()`. Called once: when the signal is aborted with chunks in
   * flight, or when the transfer of one fails, and before that one is unmapped. Without it a transfer must not fail before the device
   * is done with its bytes: in a region, which stays mapped, the device would go on writing into memory that the program
   * has back.
   */
  terminate?: () => Promise<void> | void
}

/**
 * Moves the bytes of one chunk, and returns when the device is done with them. The signal is aborted when the whole transfer
 * is to stop: pass it to what waits for the device, and let `terminate` stop that.
 */
export type ChunkTransfer = (chunk: MappedChunk, context: { signal: AbortSignal }) => Promise<void> | void

const KNOWN = [...MAP_OPTIONS, 'inFlight', 'signal', 'terminate']
const MOST_IN_FLIGHT = 0xffff

/**
 * Transfers a table in chunks of what a device's engine takes at a time, several at once where `inFlight` says so. Each
 * is mapped when its turn comes, and unmapped when its transfer is through.
 *
 * Where one fails, or the signal is aborted, no more are begun; those in flight are waited for, `terminate` brings the
 * device to rest, and everything is unmapped.
 * @returns bytes transferred: all of the table
 * @throws DMA_INVALID_ARGUMENT, before anything happens; DMA_TRANSFER_INCOMPLETE, with `bytesDone` and the `cause`
 * @example
 * ```ts
 * const options = { maxBytes: 65536, maxSegments: 8, signal, terminate: () => engine.reset() }
 * await forEachChunk(device, table, DmaDirection.ToDevice, options, async (chunk, { signal }) => {
 *   for (const { dmaAddress, dmaLength } of chunk) await engine.send(dmaAddress, dmaLength, signal)
 * })
 * ```
 */
export async function forEachChunk(
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  options: ChunkTransferOptions,
  transfer: ChunkTransfer,
): Promise<number> {
  const limits = checkLimits('forEachChunk', device, options, KNOWN)
  const { inFlight = 1, signal, attributes = 0, terminate } = options
  assertMappable('forEachChunk', device, table, direction, attributes)
  assertSignal('forEachChunk', signal)
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > MOST_IN_FLIGHT) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `forEachChunk: inFlight is ${String(inFlight)}, not 1 to ${MOST_IN_FLIGHT}`,
    )
  }
  for (const [name, value] of Object.entries({ transfer, terminate: terminate ?? (() => {}) })) {
    if (typeof value === 'function') continue
    throw new DmaError('DMA_INVALID_ARGUMENT', `forEachChunk: ${name} is ${typeof value}, no function`)
  }
  const mapper = new ChunkMapper(device, table, direction, limits, attributes)
  const run = new ChunkRun(transfer, terminate)
  const abort = () => run.abort(signal!.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (signal?.aborted) abort()
    await run.all(mapper, inFlight)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  if (run.stopped)
    throw transferIncomplete(run.bytesDone, table.byteLength, run.reason, terminate !== undefined)
  return run.bytesDone
}

/** One transfer of many chunks: what is in flight, and how far it got. */
class ChunkRun {
  stopped = false
  reason: unknown = undefined
  /** Without a gap, from the table's start. */
  bytesDone = 0
  readonly #transfer: ChunkTransfer
  readonly #terminate: ChunkTransferOptions['terminate']
  readonly #abort = new AbortController()
  /** Once the device is being brought to rest. */
  #rest: Promise<void> | undefined
  #flying = 0
  /** Goes on where all has to wait for one of them: one promise, however many there are. */
  #landed: () => void = () => {}
  /** Chunks that are through before one that comes earlier: their ends, by their beginnings. */
  readonly #early = new Map<number, number>()

  constructor(transfer: ChunkTransfer, terminate: ChunkTransferOptions['terminate']) {
    this.#transfer = transfer
    this.#terminate = terminate
  }

  /** Begins no more. The first reason counts. */
  stop(reason: unknown): void {
    if (this.stopped) return
    this.stopped = true
    this.reason = reason
    this.#abort.abort(reason)
  }

  /** Stops, and has the device stop what it does: those in flight may wait for nothing else. */
  abort(reason: unknown): void {
    this.stop(reason)
    if (this.#flying > 0) this.#rest ??= this.#bringToRest()
  }

  /** Resolves when nothing is in flight any more; never rejects. */
  async all(mapper: ChunkMapper, inFlight: number): Promise<void> {
    while (!this.stopped) {
      if (this.#flying >= inFlight) {
        await this.#landing()
        continue
      }
      const chunk = this.#next(mapper)
      if (chunk === undefined) break
      if (chunk === 'full') await this.#landing()
      else void this.#fly(chunk)
    }
    while (this.#flying > 0) await this.#landing()
    await this.#rest
  }

  /** Resolves when the next one of those in flight is through, or has failed. */
  #landing(): Promise<void> {
    return new Promise((resolve) => {
      this.#landed = resolve
    })
  }

  #next(mapper: ChunkMapper): MappedChunk | 'full' | undefined {
    try {
      return mapper.next()
    } catch (error) {
      // What is in flight has the room that this one wants.
      if (this.#flying > 0 && isFull(error)) return 'full'
      this.stop(error)
      return undefined
    }
  }

  /** Never rejects. */
  async #fly(chunk: MappedChunk): Promise<void> {
    const { byteOffset, byteLength } = chunk
    this.#flying++
    try {
      await this.#transfer(chunk, { signal: this.#abort.signal })
      // The bytes are the CPU's only then, where they are copied. One that was taken away is not through.
      if (!chunk.unmapped) chunk.unmap()
      this.#early.set(byteOffset, byteOffset + byteLength)
      this.#advance()
    } catch (error) {
      this.stop(error)
      this.#rest ??= this.#bringToRest()
      await this.#rest
      try {
        chunk[Symbol.dispose]()
      } catch {
        // The first failure is the one to tell of; the memory is in quarantine, and says so.
      }
    }
    this.#flying--
    this.#landed()
  }

  /** Never rejects. */
  async #bringToRest(): Promise<void> {
    try {
      await this.#terminate?.()
    } catch (error) {
      const what = 'a transfer failed, and so did bringing the device to rest'
      this.reason = new AggregateError([this.reason, error], what)
    }
  }

  #advance(): void {
    for (;;) {
      const end = this.#early.get(this.bytesDone)
      if (end === undefined) return
      this.#early.delete(this.bytesDone)
      this.bytesDone = end
    }
  }
}
