import type { DmaDevice } from '../device/dma-device'
import type { MappingHandle } from '../mapping/mapping-table'
import type { DmaMemory } from '../memory/memory'
import { type DmaAddress, toNumber } from '../vocabulary/address'
import type { DmaAttributes } from '../vocabulary/attributes'
import { DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { CallSites, EARLIER } from './call-sites'
import { contentsChanged, noteContents } from './contents'
import { tellOfUnderWay } from './device-access'
import type { DmaChecker } from './dma-checker'
import type { DmaReportFacts } from './dma-report'
import { type EndedMapping, EndedMappings } from './ended-mappings'
import { MappingEvents } from './mapping-events'
import type { LedgerOwner, SingleOwner } from './mapping-owner'
import { MappingFamily, MappingRecords } from './mapping-records'
import { assertApart } from './overlap'
import { WholeMappings } from './whole-mappings'

/** The one mapping of what has no more than one. */
const ONLY = 0 as unknown as MappingHandle

/**
 * What a device has mapped, by address: there is one where a checker looks after the device, where its kernel wants to be told of its
 * mappings, and from when somebody unmaps or syncs by an address. A device without one pays nothing for it.
 *
 * Who maps is given the number of a record, by which it is found again without a search; 0 for a mapping that is not recorded.
 */
export class MappingLedger {
  readonly device: DmaDevice
  /** What looks at all this, and tells {@link DmaDevice.ownChecker}, too: its kernel's, or else that one. */
  readonly checker: DmaChecker | undefined
  readonly records = new MappingRecords()
  readonly ended = new EndedMappings()
  /** Allocations, and registers of other devices. */
  readonly wholes = new WholeMappings(this)
  /** Regions, by DMA address, whose addresses the program has asked for, and their lengths: what the device does there is nobody's to judge. */
  readonly addressed = new Map<number, number>()
  /** Present where the device's kernel wants to be told of all this. */
  readonly events: MappingEvents | undefined
  readonly #sites: CallSites | undefined
  readonly #owners = new Map<number, LedgerOwner>()
  #lastNumber = 0
  #pauses = 0

  constructor(device: DmaDevice, checker: DmaChecker | undefined) {
    this.device = device
    this.checker = checker
    const { dmaEvents } = device.kernel
    this.events = dmaEvents && new MappingEvents(this, dmaEvents)
    this.#sites = checker?.sites ?? (dmaEvents && new CallSites(false))
    checker?.watch(this)
  }

  /** Its device has a checker of its own from now on, or none any more, beside the one that looks. */
  watchedAlso(): void {
    const { ownChecker } = this.device
    ownChecker?.watch(this)
    if (ownChecker?.contents) this.#noteAllContents()
  }

  /** Nobody watches any more. */
  unwatch(): void {
    this.checker?.unwatch(this)
    this.device.ownChecker?.unwatch(this)
  }

  /** Records no mapping until as many calls of {@link resume}: what is mapped then is part of something that is recorded whole. */
  pause(): void {
    this.#pauses++
  }

  resume(): void {
    this.#pauses--
  }

  /**
   * Records a mapping that its owner has made.
   * @param isNew whether it was made just now, and is looked at
   * @returns the record's number, or 0
   * @throws what the checker has against it; it is not recorded then
   */
  single(
    owner: SingleOwner,
    handle: MappingHandle,
    family: MappingFamily,
    address: DmaAddress,
    byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
    isNew: boolean,
  ): number {
    if (this.#pauses > 0) return 0
    const { checker, records } = this
    const memory = checker && direction !== DmaDirection.ToDevice ? owner.memory : undefined
    const offset = memory && owner.memoryOffsetOf(handle)
    const lines = offset === undefined ? undefined : checker?.linesOf(memory!)
    if (lines && isNew) assertApart(this, memory!, offset!, byteLength, direction, attributes, address)
    const note = records.add(toNumber(address), byteLength, this.now())
    const site = this.site(isNew)
    records.keep(note, family, direction, this.#numberOf(owner), handle as unknown as number, 0, site)
    if (lines) {
      lines.add(offset!, byteLength)
      records.setLined(note)
    }
    if (this.#looksAtBytes) noteContents(this.records, note, owner, handle)
    this.events?.mapped(note, this.events.bytesOf(owner, handle, 0, byteLength))
    return note
  }

  /**
   * A single mapping ends, and its record.
   * @throws DMA_DEBUG where the CPU wrote to it meanwhile, after all is done
   */
  endSingle(note: number, owner: SingleOwner, handle: MappingHandle): void {
    if (note === 0) return
    const { checker } = this
    const wrote = this.#looksAtBytes && contentsChanged(this.records, note, owner, handle)
    const facts = wrote ? this.factsOf(note) : {}
    this.#unline(note, owner, handle)
    this.end(note, true, this.events?.bytesOf(owner, handle, 0, this.records.byteLengthOf(note)))
    if (owner.temporary) this.forget(owner)
    if (wrote) checker?.cpuWrote(this.device, facts)
  }

  /** A single mapping is gone with what it lay in, or with an error: nothing is looked at. */
  drop(note: number, owner: SingleOwner, handle: MappingHandle): void {
    if (note === 0 || this.records.isFree(note)) return
    this.#unline(note, owner, handle)
    this.end(note, false)
    if (owner.temporary) this.forget(owner)
  }

  /** Nothing more is mapped in it. */
  forget(owner: SingleOwner): void {
    this.#owners.delete(owner.ledgerNumber)
  }

  /** A sync for the CPU is asked for. @throws DMA_DEBUG where the CPU wrote to the mapping before that */
  lending(note: number, owner: SingleOwner, handle: MappingHandle): void {
    if (note === 0 || !this.#looksAtBytes) return
    if (!contentsChanged(this.records, note, owner, handle)) return
    // It is said once.
    noteContents(this.records, note, owner, handle)
    this.checker?.cpuWrote(this.device, this.factsOf(note))
  }

  /** The device has a mapping back. */
  gaveBack(note: number, owner: SingleOwner, handle: MappingHandle): void {
    if (note !== 0 && this.#looksAtBytes) noteContents(this.records, note, owner, handle)
  }

  /** A part of a single mapping, or all of it, was synced. 0: one that is not recorded. */
  handedOver(
    note: number,
    owner: SingleOwner,
    handle: MappingHandle,
    verb: 'syncForCpu' | 'syncForDevice',
    byteOffset: number,
    byteLength: number,
  ): void {
    if (note === 0) return
    this.events?.syncedSingle(note, owner, handle, verb, byteOffset, byteLength)
  }

  /** Whether an address is in a region whose addresses the program has asked for. */
  isAddressed(address: number): boolean {
    for (const [start, byteLength] of this.addressed) {
      if (address >= start && address < start + byteLength) return true
    }
    return false
  }

  /** Whether nothing is recorded now. */
  get paused(): boolean {
    return this.#pauses > 0
  }

  /** An owner gets a number, for its records. */
  own(owner: LedgerOwner): number {
    const number = ++this.#lastNumber
    this.#owners.set(number, owner)
    return number
  }

  /** It has none any more. */
  disown(number: number): void {
    this.#owners.delete(number)
  }

  /** Ends a record. @param remember that it was there @param bytes what the CPU has of it */
  end(note: number, remember = true, bytes?: Uint8Array): void {
    const { records, checker } = this
    this.events?.ended(note, bytes)
    if (checker && remember) this.#remember(note, checker, this.site(true))
    records.remove(note)
  }

  #remember(note: number, checker: DmaChecker, site: number): void {
    const { records, device } = this
    const [address, byteLength] = [records.addressOf(note), records.byteLengthOf(note)]
    this.ended.note(
      records.homeOf(note),
      records.handleOf(note),
      address,
      byteLength,
      records.directionOf(note),
      records.siteOf(note),
      site,
    )
    const underWay = device.kernel.dmaChecks?.underWay?.(device.name, address, byteLength)
    if (underWay) tellOfUnderWay(checker, this, note, underWay)
  }

  /** Records a segment of a table, as the device sees it. */
  segment(
    number: number,
    address: number,
    byteLength: number,
    direction: DmaDirection,
    entries: number,
    site: number,
    bytes?: Uint8Array,
  ): number {
    const { records } = this
    const note = records.add(address, byteLength, this.now())
    records.keep(note, MappingFamily.Sg, direction, number, 0, entries, site)
    this.events?.mapped(note, bytes)
    return note
  }

  /** See {@link assertApart}: for who counts the cache lines itself. @throws DMA_DEBUG, where the checker throws */
  assertApart(
    memory: DmaMemory,
    memoryOffset: number,
    byteLength: number,
    direction: DmaDirection,
    attributes: DmaAttributes,
  ): void {
    assertApart(this, memory, memoryOffset, byteLength, direction, attributes, undefined)
  }

  /** The segments of a table end. @param bytesAt what the CPU has of one */
  endSegments(number: number, notes: Int32Array, bytesAt?: (index: number) => Uint8Array | undefined): void {
    const site = this.checker ? this.site(true) : 0
    // The first is noted last: who unmaps the table again is told of that.
    for (let index = notes.length - 1; index >= 0; index--) {
      const note = notes[index]!
      if (this.checker) this.#remember(note, this.checker, site)
      this.end(note, false, bytesAt?.(index))
    }
    this.#owners.delete(number)
  }

  /** Who a mapping belongs to. */
  ownerOf(note: number): LedgerOwner {
    return this.#owners.get(this.records.homeOf(note))!
  }

  handleOf(note: number): MappingHandle {
    return this.records.handleOf(note) as unknown as MappingHandle
  }

  /** Where it is, how long, and where it was mapped, for a report. */
  factsOf(note: number): DmaReportFacts {
    const { records } = this
    return {
      address: records.addressOf(note) as unknown as DmaAddress,
      size: records.byteLengthOf(note),
      direction: records.directionOf(note),
      mappedAt: this.siteText(records.siteOf(note)),
    }
  }

  /** The same of a mapping that has ended. */
  factsOfEnded(ended: EndedMapping | undefined): DmaReportFacts {
    if (!ended || !this.checker) return {}
    return {
      address: ended.address,
      size: ended.byteLength,
      direction: ended.direction,
      mappedAt: this.siteText(ended.mappedAt),
      unmappedAt: this.siteText(ended.unmappedAt),
    }
  }

  /** Milliseconds, where anybody wants to know. */
  now(): number {
    return this.checker ? this.device.kernel.clock.now() : 0
  }

  /** Where the program is now, as a number. @param isNew false where it mapped something before anybody took that down */
  site(isNew: boolean): number {
    if (!isNew) return EARLIER
    return this.#sites ? this.#sites.here(this.device.ownChecker?.sites.every) : 0
  }

  /** The same of a single mapping, whether it is live or has ended. */
  factsOfMapping(owner: SingleOwner, handle: MappingHandle): DmaReportFacts {
    const number = handle as unknown as number
    for (const note of this.records) {
      const { records } = this
      if (records.homeOf(note) !== owner.ledgerNumber || records.handleOf(note) !== number) continue
      if (records.familyOf(note) !== MappingFamily.Sg) return this.factsOf(note)
    }
    return this.factsOfEnded(this.ended.of(owner.ledgerNumber, number))
  }

  siteText(site: number): string | undefined {
    return this.#sites?.textOf(site)
  }

  /** Ends the records of what is mapped no longer, since its memory or region was closed. */
  prune(): void {
    for (const owner of this.#owners.values()) {
      if (owner.gone && !owner.isMapped(ONLY)) owner.gone()
    }
  }

  /** All that is mapped now. What ended with its region or memory, and was not unmapped, is no more among it. */
  *live(): Generator<number> {
    for (const note of this.records) {
      if (this.ownerOf(note).isMapped(this.handleOf(note))) yield note
    }
  }

  /** Whether any checker wants to know who wrote to what. */
  get #looksAtBytes(): boolean {
    return this.checker?.contents === true || this.device.ownChecker?.contents === true
  }

  /** Takes down what the device has been given so far: nobody wanted to know until now. */
  #noteAllContents(): void {
    this.prune()
    for (const note of this.live()) {
      const owner = this.ownerOf(note)
      if ('bytesOf' in owner) noteContents(this.records, note, owner as SingleOwner, this.handleOf(note))
    }
  }

  #unline(note: number, owner: SingleOwner, handle: MappingHandle): void {
    const { records, checker } = this
    const offset = records.isLined(note) ? owner.memoryOffsetOf(handle) : undefined
    if (offset !== undefined) checker?.linesOf(owner.memory!).remove(offset, records.byteLengthOf(note))
  }

  #numberOf(owner: SingleOwner): number {
    if (this.#owners.get(owner.ledgerNumber) !== owner) {
      owner.ledgerNumber = ++this.#lastNumber
      this.#owners.set(owner.ledgerNumber, owner)
    }
    return owner.ledgerNumber
  }
}
