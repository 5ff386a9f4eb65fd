import { DmaError } from '@linux-dma/native'
import { addToDmaAddress, type DmaAddress } from './address'
import { DmaAttribute, type DmaAttributes, hasAttribute } from './attributes'
import { bufferGone } from './bounce-errors'
import type { Bouncer } from './bouncer'
import type { TransferDirection } from './direction'
import type { DeviceChild, DmaDevice } from './dma-device'
import type { MappingHome } from './mapping-home'
import { type MappingHandle, MappingTable } from './mapping-table'
import type { DmaMemory } from './memory'
import { assertCoherent } from './need-sync'

/** One buffer, of whatever memory, that a device is given through slots of its bouncer. It ends with its DMA memory, if it is of such. */
export class BouncedBuffer implements DeviceChild, MappingHome {
  readonly device: DmaDevice
  readonly temporary = true
  readonly coherent = false
  readonly byteLength: number
  readonly #bytes: Uint8Array
  readonly #memory: DmaMemory | undefined
  readonly #bouncer: Bouncer
  readonly #table = new MappingTable(1)
  #dmaAddress: DmaAddress | undefined

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
    throw new DmaError('DMA_NOT_MAPPED', `the bounced buffer of ${this.device.name} is not mapped`)
  }

  mapSingle(
    _byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
  ): MappingHandle {
    if (hasAttribute(attributes, DmaAttribute.RequireCoherent)) assertCoherent(this.device, true)
    this.#dmaAddress = this.#bouncer.map(this.device, this.#bytes, direction)
    try {
      this.device.adopt(this)
      this.#memory?.attachUser(this)
      return this.#table.insert(0, byteLength, direction)
    } catch (error) {
      this.close()
      throw error
    }
  }

  unmapSingle(handle: MappingHandle, attributes: DmaAttributes): void {
    this.#table.remove(handle)
    this.#release(hasAttribute(attributes, DmaAttribute.SkipCpuSync))
  }

  addressOf(handle: MappingHandle): DmaAddress {
    this.device.assertReady()
    this.#table.byteOffset(handle)
    return this.dmaAddress
  }

  isMapped(handle: MappingHandle): boolean {
    return this.#dmaAddress !== undefined && this.#table.has(handle)
  }

  isCpuOwned(handle: MappingHandle): boolean {
    return this.#table.isCpuOwned(handle)
  }

  syncRange(
    verb: 'syncForCpu' | 'syncForDevice',
    handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): void {
    this.#assertWhole()
    this.#bouncer[verb](this.device, addToDmaAddress(this.dmaAddress, byteOffset), byteLength)
    if (verb === 'syncForCpu') this.#table.giveToCpu(handle)
    else this.#table.giveToDevice(handle)
  }

  bytesAt(byteOffset: number, byteLength: number): Uint8Array {
    this.#assertWhole()
    return this.#bytes.subarray(byteOffset, byteOffset + byteLength)
  }

  /** Gives the slots back as they are: nothing is copied. Idempotent. */
  close(): void {
    if (this.#dmaAddress !== undefined) this.#release(true)
  }

  #assertWhole(): void {
    if (this.#bytes.byteLength !== this.byteLength) throw bufferGone()
  }

  #release(skipCopy: boolean): void {
    const address = this.dmaAddress
    this.#dmaAddress = undefined
    this.device.disown(this)
    this.#memory?.detachUser(this)
    this.#bouncer.unmap(this.device, address, skipCopy)
  }
}
