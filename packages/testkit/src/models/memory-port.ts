import type { DmaAccessDetail, DmaUnderWay } from '@linux-dma/native'
import { throughAddressLines } from '../iommu/address-lines'
import type { DmaPath, DmaSegment } from '../iommu/dma-path'
import { transferThrough } from '../iommu/transfer'
import type { SlotParts } from './attached-model'
import type { DeviceModel, DmaBurst } from './device-model'

/** Refused accesses that are kept: a device that went astray goes on and on. */
const MOST_FAULTS = 1000

/** Whose way to memory it is. */
export interface PortOwner {
  readonly address: string
  readonly model: DeviceModel
  /** What lies between the device and memory now. */
  readonly path: DmaPath
  /** Whether the device is there, and may master the bus. */
  readonly reaches: boolean
  log(message: string): void
}

/** A device's way to memory: what it does there is put down, and held against what is mapped for it. */
export class MemoryPort {
  readonly #owner: PortOwner
  readonly #parts: SlotParts
  /** The device was disturbed: what it does from then on is no mistake of the driver's. */
  #isMisled = false

  constructor(owner: PortOwner, parts: SlotParts) {
    this.#owner = owner
    this.#parts = parts
  }

  /** A disturbance has struck that a driver cannot see through: from now on what the device does wrong is nobody's mistake. */
  mislead(): void {
    this.#isMisled = true
  }

  /** Puts an access on the bus, with the address bits that the device has lines for. False where nothing gets through. */
  move(address: number | bigint, bytes: Uint8Array, direction: 'read' | 'write', burst: DmaBurst): boolean {
    const { model, reaches } = this.#owner
    if (!reaches) return false
    const { dmaMaskBits } = model
    if (dmaMaskBits === undefined) return this.#translate(Number(address), bytes, direction, burst)
    let isCut = false
    const move = (at: number, part: Uint8Array) =>
      this.#translate(at, part, direction, isCut ? undefined : burst)
    return throughAddressLines(dmaMaskBits, address, bytes, move, (cut) => {
      isCut = true
      this.#judge(Number(address), bytes, direction, { wentTo: cut })
      const access = `DMA ${direction} of ${bytes.byteLength} bytes at 0x${address.toString(16)}`
      const lines = `the device drives ${dmaMaskBits} address bits, so it goes to 0x${cut.toString(16)}`
      const cure = `call dmaSetMask(device, dmaBitMask(${dmaMaskBits}))`
      this.#owner.log(`${model.kind}: ${access} is out of reach: ${lines}: ${cure}`)
    })
  }

  /** What the device is to transfer yet of the bytes at some addresses. */
  underWay(address: number, byteLength: number): DmaUnderWay | undefined {
    if (!this.#owner.reaches || this.#isMisled) return undefined
    for (const pending of this.#owner.model.pendingTransfers()) {
      const start = Math.max(Number(pending.address), address)
      const end = Math.min(Number(pending.address) + pending.byteLength, address + byteLength)
      if (start < end) return { access: pending.direction, byteLength: end - start }
    }
    return undefined
  }

  /** @param burst absent where what is done is not looked at */
  #translate(
    address: number,
    bytes: Uint8Array,
    direction: 'read' | 'write',
    burst: DmaBurst | undefined,
  ): boolean {
    const { caches, trace } = this.#parts
    const { address: device, path } = this.#owner
    trace?.dma(device, direction, address, bytes.byteLength)
    const onMoved =
      caches && ((at: number, segment: DmaSegment) => caches.accessed(device, at, segment, direction))
    const onRefused = (at: number, byteLength: number) => this.#refused(at, byteLength, direction)
    const complete = transferThrough(path, address, bytes, direction, onRefused, onMoved)
    if (burst) this.#judge(address, bytes, direction, burst)
    return complete
  }

  #refused(address: number, byteLength: number, direction: 'read' | 'write'): void {
    const { clock, excusedFaults, faults, trace } = this.#parts
    const { address: device } = this.#owner
    if (faults.length < MOST_FAULTS) {
      const fault = { address, byteLength, device, direction, time: clock.now() }
      faults.push(fault)
      if (this.#isMisled) excusedFaults.add(fault)
    }
    trace?.fault(device, direction, address, byteLength)
  }

  /** What it did is held against what is mapped for it. */
  #judge(address: number, bytes: Uint8Array, direction: 'read' | 'write', detail: DmaAccessDetail): void {
    if (this.#isMisled) return
    this.#parts.dmaErrors?.deviceAccessed(this.#owner.address, address, bytes, direction, detail)
  }
}
