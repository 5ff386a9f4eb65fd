import { type DmaAddress, toNumber } from '../vocabulary/address'
import { DmaDirection } from '../vocabulary/direction'
import type { EndedMapping } from './ended-mappings'
import type { MappingLedger } from './mapping-ledger'
import type { LedgerOwner, WholeOwner } from './mapping-owner'
import { MappingFamily } from './mapping-records'

/** Stands in a ledger for what is one mapping. */
interface WholeAdapter extends LedgerOwner {
  readonly whole: WholeOwner
}

/** Those mappings in a device's ledger that are made and closed as a whole: allocations, registers of other devices. */
export class WholeMappings {
  readonly #ledger: MappingLedger
  readonly #notes = new Map<object, number>()
  /** Also of those that were closed. */
  readonly #numbers = new WeakMap<object, number>()

  constructor(ledger: MappingLedger) {
    this.#ledger = ledger
  }

  /** Records one; once more: its length. */
  enter(
    owner: WholeOwner,
    family: MappingFamily,
    address: DmaAddress,
    byteLength: number,
    direction: DmaDirection,
    isNew: boolean,
  ): void {
    const ledger = this.#ledger
    if (ledger.paused) return
    this.end(owner, false)
    const adapter: WholeAdapter = { whole: owner, isMapped: () => true }
    const number = ledger.own(adapter)
    const note = ledger.records.add(toNumber(address), byteLength, ledger.now())
    ledger.records.keep(note, family, direction, number, 0, 0, ledger.site(isNew))
    ledger.events?.mapped(note, ledger.events.bytesOfWhole(owner, byteLength))
    this.#notes.set(owner, note)
    this.#numbers.set(owner, number)
  }

  /** Records a coherent allocation. */
  allocated(owner: WholeOwner, address: DmaAddress, byteLength: number, isNew: boolean): void {
    this.enter(owner, MappingFamily.Coherent, address, byteLength, DmaDirection.Bidirectional, isNew)
  }

  /** It was closed. @param remember that it was there */
  end(owner: object, remember = true): void {
    const note = this.#notes.get(owner)
    if (note === undefined) return
    this.#notes.delete(owner)
    this.#ledger.disown(this.#ledger.records.homeOf(note))
    this.#ledger.end(note, remember)
  }

  /** What closes a mapping. */
  of(note: number): WholeOwner {
    const owner = this.#ledger.ownerOf(note) as Partial<WholeAdapter> & WholeOwner
    return owner.whole ?? owner
  }

  /** How one ended, where that is not long ago. */
  ended(owner: object): EndedMapping | undefined {
    const number = this.#numbers.get(owner)
    return number === undefined ? undefined : this.#ledger.ended.of(number, 0)
  }
}
