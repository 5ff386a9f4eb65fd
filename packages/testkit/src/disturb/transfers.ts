import { type DisturbedParts, Disturber } from './disturber'
import type { Transfer } from './interference'
import type { DmaReadDisturbance, DmaWriteDisturbance } from './options'

type Pass = (transfer: Transfer) => boolean

const describe = ({ direction, bytes, address }: Transfer) =>
  `DMA ${direction} of ${bytes.byteLength} bytes at 0x${address.toString(16)}`

/** A bus address so many bytes further up or down. Below 0 it is at the other end of 64 bits. */
function moved(address: number | bigint, byteOffset: number): bigint {
  return BigInt.asUintN(64, BigInt(address) + BigInt(byteOffset))
}

/** How many places a device's last reads are kept for. */
const rememberedReads = 1024

/** A device's accesses to memory, and what becomes of them. */
abstract class TransferDisturber<Options extends DmaReadDisturbance | DmaWriteDisturbance> extends Disturber {
  protected readonly options: Options
  readonly #direction: 'read' | 'write'

  constructor(options: Options, direction: 'read' | 'write', parts: DisturbedParts) {
    super(options, parts)
    this.options = options
    this.#direction = direction
  }

  transfer(transfer: Transfer, pass: Pass): boolean {
    const { minimumByteLength = 0, maximumByteLength = Number.POSITIVE_INFINITY } = this.options
    const { byteLength } = transfer.bytes
    const concerns =
      transfer.direction === this.#direction &&
      byteLength >= minimumByteLength &&
      byteLength <= maximumByteLength
    return concerns ? this.meet(transfer, pass) : pass(transfer)
  }

  protected meet(transfer: Transfer, pass: Pass): boolean {
    return this.strikes() ? this.strike(transfer, pass) : pass(transfer)
  }

  protected abstract strike(transfer: Transfer, pass: Pass): boolean

  /** The bytes with some bits of theirs wrong. */
  protected flip(bytes: Uint8Array, bitCount: number): Uint8Array {
    const { random } = this.parts
    const places = new Set<number>()
    const bits = bytes.byteLength * 8
    while (places.size < Math.min(bitCount, bits)) places.add(random.integer(bits))
    for (const place of places) bytes[place >> 3]! ^= 1 << (place & 7)
    return bytes
  }
}

class LostWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'lost' }> {
  protected strike(transfer: Transfer): boolean {
    this.note(`${describe(transfer)} is lost`)
    return true
  }
}

class LateWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'late' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { byMilliseconds } = this.options
    this.note(`${describe(transfer)} is ${byMilliseconds} ms late`)
    const bytes = transfer.bytes.slice()
    this.hold(byMilliseconds, () => pass({ ...transfer, bytes }))
    return true
  }
}

class RepeatedWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'twice' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { byMilliseconds = 0 } = this.options
    this.note(`${describe(transfer)} comes twice, again ${byMilliseconds} ms later`)
    const bytes = transfer.bytes.slice()
    const complete = pass(transfer)
    this.hold(byMilliseconds, () => pass({ ...transfer, bytes }))
    return complete
  }
}

class LongWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'past' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { byteLength } = this.options
    this.note(`${describe(transfer)} goes ${byteLength} bytes past its end`)
    const complete = pass(transfer)
    const address = moved(transfer.address, transfer.bytes.byteLength)
    pass({ ...transfer, address, bytes: this.parts.random.fill(new Uint8Array(byteLength)) })
    return complete
  }
}

class ShortWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'short' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { bytes } = transfer
    const missing = Math.min(this.options.byteLength, bytes.byteLength)
    this.note(`${describe(transfer)} ends ${missing} bytes too early`)
    if (missing === bytes.byteLength) return true
    return pass({ ...transfer, bytes: bytes.subarray(0, bytes.byteLength - missing) })
  }
}

class MisplacedTransfers extends TransferDisturber<
  (DmaWriteDisturbance & { dmaWrite: 'misplaced' }) | (DmaReadDisturbance & { dmaRead: 'misplaced' })
> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const address = moved(transfer.address, this.options.byteOffset)
    this.note(`${describe(transfer)} goes to 0x${address.toString(16)}`)
    return pass({ ...transfer, address })
  }
}

class FlippedWrites extends TransferDisturber<DmaWriteDisturbance & { dmaWrite: 'flipped' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { bitCount = 1 } = this.options
    this.note(`${describe(transfer)} has ${bitCount} wrong bits`)
    return pass({ ...transfer, bytes: this.flip(transfer.bytes.slice(), bitCount) })
  }
}

class FlippedReads extends TransferDisturber<DmaReadDisturbance & { dmaRead: 'flipped' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { bitCount = 1 } = this.options
    this.note(`${describe(transfer)} has ${bitCount} wrong bits`)
    const complete = pass(transfer)
    this.flip(transfer.bytes, bitCount)
    return complete
  }
}

class ShortReads extends TransferDisturber<DmaReadDisturbance & { dmaRead: 'short' }> {
  protected strike(transfer: Transfer, pass: Pass): boolean {
    const { bytes } = transfer
    const missing = Math.min(this.options.byteLength, bytes.byteLength)
    this.note(`${describe(transfer)} ends ${missing} bytes too early`)
    const there = bytes.byteLength - missing
    if (there > 0) pass({ ...transfer, bytes: bytes.subarray(0, there) })
    bytes.fill(0, there)
    return false
  }
}

class StaleReads extends TransferDisturber<DmaReadDisturbance & { dmaRead: 'stale' }> {
  /** What was read last, by place: the place read longest ago is forgotten first. */
  readonly #last = new Map<string, Uint8Array>()

  protected override meet(transfer: Transfer, pass: Pass): boolean {
    const place = `${transfer.address}+${transfer.bytes.byteLength}`
    const last = this.#last.get(place)
    if (last !== undefined && this.strikes()) {
      this.note(`${describe(transfer)} gets what was there before`)
      transfer.bytes.set(last)
      return true
    }
    const complete = pass(transfer)
    this.#last.delete(place)
    this.#last.set(place, transfer.bytes.slice())
    if (this.#last.size > rememberedReads) this.#last.delete(this.#last.keys().next().value!)
    return complete
  }

  protected strike(transfer: Transfer, pass: Pass): boolean {
    return pass(transfer)
  }
}

/** Starts what goes wrong with what a device writes to memory. */
export function disturbDmaWrites(options: DmaWriteDisturbance, parts: DisturbedParts): Disturber {
  switch (options.dmaWrite) {
    case 'lost':
      return new LostWrites(options, 'write', parts)
    case 'late':
      return new LateWrites(options, 'write', parts)
    case 'twice':
      return new RepeatedWrites(options, 'write', parts)
    case 'past':
      return new LongWrites(options, 'write', parts)
    case 'short':
      return new ShortWrites(options, 'write', parts)
    case 'misplaced':
      return new MisplacedTransfers(options, 'write', parts)
    case 'flipped':
      return new FlippedWrites(options, 'write', parts)
  }
}

/** Starts what goes wrong with what a device reads from memory. */
export function disturbDmaReads(options: DmaReadDisturbance, parts: DisturbedParts): Disturber {
  switch (options.dmaRead) {
    case 'stale':
      return new StaleReads(options, 'read', parts)
    case 'short':
      return new ShortReads(options, 'read', parts)
    case 'misplaced':
      return new MisplacedTransfers(options, 'read', parts)
    case 'flipped':
      return new FlippedReads(options, 'read', parts)
  }
}
