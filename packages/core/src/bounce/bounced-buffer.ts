import { DmaError } from '@linux-dma/native'
import type { MappingLedger } from '../checker/mapping-ledger'
import type { SingleOwner } from '../checker/mapping-owner'
import { MappingFamily } from '../checker/mapping-records'
import { tellOfLeft } from '../checker/pending'
import { closeAll } from '../checks/close-all'
import type { DeviceChild, DmaDevice } from '../device/dma-device'
import { assertCoherent } from '../device/need-sync'
import type { MappingHome } from '../mapping/mapping-home'
import type { MappingHandle } from '../mapping/mapping-table'
import type { DmaMemory } from '../memory/memory'
import { addToDmaAddress, type DmaAddress } from '../vocabulary/address'
import { DmaAttribute, type DmaAttributes, hasAttribute } from '../vocabulary/attributes'
import type { TransferDirection } from '../vocabulary/direction'
import { bufferGone } from './bounce-errors'
import type { Bouncer } from './bouncer'

/** There is one mapping in each home of this kind. */
const ONLY = 0 as unknown as MappingHandle

/**
 * One buffer, of whatever memory, that a device is given through slots of its bouncer. Where it lies in DMA memory, it
 * ends with that.
 */
export class BouncedBuffer implements DeviceChild, MappingHome, SingleOwner {
  readonly device: DmaDevice
  readonly temporary = true
  readonly coherent = false
  readonly byteLength: number
  ledgerNumber = 0
  readonly #bytes: Uint8Array
  readonly #memory: DmaMemory | undefined
  readonly #bouncer: Bouncer
  #dmaAddress: DmaAddress | undefined
  #cpuOwns = false
  #direction: TransferDirection = 0
  /** Its record in the device's ledger, where there is one. */
  #note = 0

  /** @param memory what the bytes are part of, where that is DMA memory */
  constructor(device: DmaDevice, bouncer: Bouncer, bytes: Uint8Array, memory?: DmaMemory) {
    this.device = device
    this.byteLength = bytes.byteLength
    this.#bouncer = bouncer
    this.#bytes = bytes
    this.#memory = memory
  }

  /** Where the slots are. @throws DMA_NOT_MAPPED */
  get dmaAddress(): DmaAddress {
    if (this.#dmaAddress !== undefined) return this.#dmaAddress
    throw new DmaError('DMA_NOT_MAPPED', `the bounced buffer of ${this.device.name} is not mapped`, {
      hint: 'it was unmapped, or its memory or device was closed; map the buffer again',
    })
  }

  /** Maps the buffer whole: once. */
  mapSingle(
    _byteOffset: number,
    _byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
  ): MappingHandle {
    if (hasAttribute(attributes, DmaAttribute.RequireCoherent)) assertCoherent(this.device, true)
    this.#dmaAddress = this.#bouncer.map(this.device, this.#bytes, direction)
    this.#direction = direction
    try {
      this.device.adopt(this)
      this.#memory?.attachUser(this)
      if (this.device.ledger) this.#enter(this.device.ledger, attributes, true)
    } catch (error) {
      this.close()
      throw error
    }
    return ONLY
  }

  unmapSingle(_handle: MappingHandle, attributes: DmaAttributes): void {
    const note = this.#note
    this.#note = 0
    // The record ends when the bytes are back.
    closeAll([
      () => this.#release(hasAttribute(attributes, DmaAttribute.SkipCpuSync)),
      () => this.device.ledger?.endSingle(note, this, ONLY),
    ])
  }

  addressOf(_handle: MappingHandle): DmaAddress {
    this.device.assertReady()
    return this.dmaAddress
  }

  isMapped(_handle: MappingHandle): boolean {
    return this.#dmaAddress !== undefined
  }

  isCpuOwned(_handle: MappingHandle): boolean {
    return this.#cpuOwns
  }

  syncRange(
    verb: 'syncForCpu' | 'syncForDevice',
    _handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): void {
    this.#assertWhole()
    const { ledger } = this.device
    if (verb === 'syncForCpu') ledger?.lending(this.#note, this, ONLY)
    else ledger?.gaveBack(this.#note, this, ONLY)
    this.#bouncer[verb](this.device, addToDmaAddress(this.dmaAddress, byteOffset), byteLength)
    this.#cpuOwns = verb === 'syncForCpu'
    ledger?.handedOver(this.#note, this, ONLY, verb, byteOffset, byteLength)
  }

  bytesAt(byteOffset: number, byteLength: number): Uint8Array {
    this.#assertWhole()
    return this.#bytes.subarray(byteOffset, byteOffset + byteLength)
  }

  bytesOf(_handle: MappingHandle, byteOffset: number, byteLength: number): Uint8Array {
    return this.bytesAt(byteOffset, byteLength)
  }

  /** Copies share no cache line with anything. */
  memoryOffsetOf(): undefined {
    return undefined
  }

  /** There is a ledger of the device now, or none any more. */
  attend(ledger: MappingLedger | undefined): void {
    this.#note = 0
    if (ledger) this.#enter(ledger, 0, false)
  }

  /** Gives the slots back as they are: nothing is copied. Idempotent. */
  close(): void {
    if (this.#dmaAddress === undefined) return
    const { ledger, closed } = this.device
    if (ledger && !closed) tellOfLeft(ledger, [this.#note])
    this.#release(true)
  }

  #enter(ledger: MappingLedger, attributes: DmaAttributes, isNew: boolean): void {
    const { dmaAddress, byteLength } = this
    const family = MappingFamily.Single
    this.#note = ledger.single(this, ONLY, family, dmaAddress, byteLength, this.#direction, attributes, isNew)
  }

  #assertWhole(): void {
    if (this.#bytes.byteLength !== this.byteLength) throw bufferGone()
  }

  #release(skipCopy: boolean): void {
    const address = this.dmaAddress
    this.#dmaAddress = undefined
    this.device.ledger?.drop(this.#note, this, ONLY)
    this.#note = 0
    this.device.disown(this)
    this.#memory?.detachUser(this)
    this.#bouncer.unmap(this.device, address, skipCopy)
  }
}
