import { checkInteger, checkOptionNames } from '../arguments'
import type { ScheduledEvent } from '../clock'
import { invalidArgument } from '../errors'
import type { DmaEngine, PendingTransfer } from '../models/device-model'

/** How fast a {@link TransferEngine} is. */
export interface TransferEngineOptions {
  /** Of virtual time. */
  readonly bytesPerMillisecond: number
  /** Bytes that go to or come from memory at one moment; 4096 by default. */
  readonly burstBytes?: number
}

/**
 * A device's DMA engine: one transfer at a time, in bursts, each of which reaches memory when its time has come. What a
 * driver changes or unmaps under a transfer is thus seen in the middle of it, as on hardware. A transfer ends at the
 * first burst that does not get through.
 */
export interface TransferEngine {
  /** Whether a transfer is under way or waits. */
  readonly busy: boolean
  /** Reads memory from bus address `address` on. `done` gets the bytes, and whether all came. */
  read(
    address: number | bigint,
    byteLength: number,
    done: (bytes: Uint8Array, complete: boolean) => void,
  ): void
  /** Writes a copy of `bytes` to bus address `address` on. `done` is told whether all went. */
  write(address: number | bigint, bytes: Uint8Array, done?: (complete: boolean) => void): void
  /** Drops all transfers where they are; nobody is told. */
  stop(): void
}

interface Transfer {
  readonly address: bigint
  readonly bytes: Uint8Array
  readonly direction: 'read' | 'write'
  readonly done: (complete: boolean) => void
}

/** What an engine needs of its device. */
export interface EngineParts {
  readonly dma: DmaEngine
  schedule(milliseconds: number, run: () => void): ScheduledEvent
}

const DEFAULT_BURST_BYTES = 4096

export class PacedEngine implements TransferEngine {
  readonly #parts: EngineParts
  readonly #rate: number
  readonly #burstBytes: number
  readonly #waiting: Transfer[] = []
  /** Bytes of the first of them that were moved. */
  #done = 0
  #event: ScheduledEvent | undefined

  constructor(options: TransferEngineOptions, parts: EngineParts) {
    checkOptionNames(options, ['bytesPerMillisecond', 'burstBytes'], 'engine')
    const { bytesPerMillisecond, burstBytes = DEFAULT_BURST_BYTES } = options
    if (!(bytesPerMillisecond > 0 && Number.isFinite(bytesPerMillisecond))) {
      invalidArgument(`engine: bytesPerMillisecond is ${String(bytesPerMillisecond)}, not a number above 0`)
    }
    this.#parts = parts
    this.#rate = bytesPerMillisecond
    this.#burstBytes = checkInteger(burstBytes, 'burstBytes', 1)
  }

  get busy(): boolean {
    return this.#waiting.length > 0
  }

  read(
    address: number | bigint,
    byteLength: number,
    done: (bytes: Uint8Array, complete: boolean) => void,
  ): void {
    const bytes = new Uint8Array(byteLength)
    this.#add({
      address: BigInt(address),
      bytes,
      direction: 'read',
      done: (complete) => done(bytes, complete),
    })
  }

  write(address: number | bigint, bytes: Uint8Array, done: (complete: boolean) => void = () => {}): void {
    this.#add({ address: BigInt(address), bytes: bytes.slice(), direction: 'write', done })
  }

  /** What is left of those that are under way or wait. */
  pending(): PendingTransfer[] {
    return this.#waiting.map(({ address, bytes: { byteLength }, direction }, place) => {
      const done = place === 0 ? this.#done : 0
      return { address: address + BigInt(done), byteLength: byteLength - done, direction }
    })
  }

  stop(): void {
    this.#waiting.length = 0
    this.#event?.cancel()
    this.#event = undefined
  }

  #add(transfer: Transfer): void {
    this.#waiting.push(transfer)
    if (this.#waiting.length === 1) this.#goOn(transfer, 0)
  }

  /** The next burst of the transfer under way. */
  #goOn(transfer: Transfer, from: number): void {
    const { address, bytes, direction } = transfer
    this.#done = from
    const burst = bytes.subarray(from, from + this.#burstBytes)
    this.#event = this.#parts.schedule(burst.byteLength / this.#rate, () => {
      const continues = from > 0
      const complete =
        burst.byteLength === 0 || this.#parts.dma[direction](address + BigInt(from), burst, { continues })
      const to = from + burst.byteLength
      if (complete && to < bytes.byteLength) this.#goOn(transfer, to)
      else this.#finish(transfer, complete)
    })
  }

  #finish({ done }: Transfer, complete: boolean): void {
    this.#waiting.shift()
    const next = this.#waiting[0]
    if (next !== undefined) this.#goOn(next, 0)
    // Told last: it may start another transfer, or stop the engine.
    done(complete)
  }
}
