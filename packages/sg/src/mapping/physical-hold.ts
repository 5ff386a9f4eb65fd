import {
  closeAll,
  type DeviceChild,
  type DmaAddress,
  type DmaDevice,
  type DmaMemory,
  type DmaPin,
  dmaAddress,
} from '@linux-dma/core'

/**
 * What keeps a table mapped on a path of physical addresses: pins of the memories that it lies in, and its place among what
 * its device has. A table of frames has no memory: those who made it keep its pages.
 */
export class PhysicalHold implements DeviceChild {
  readonly device: DmaDevice
  readonly coherent = false
  readonly #memories = new Map<DmaMemory, DmaPin | undefined>()
  #lowest = 0
  #end = 0
  #closed = false

  constructor(device: DmaDevice) {
    this.device = device
    device.adopt(this)
  }

  /** The lowest address of any segment. */
  get dmaAddress(): DmaAddress {
    return dmaAddress(this.#lowest)
  }

  /** Bytes from there to the end of the highest segment. */
  get byteLength(): number {
    return this.#end - this.#lowest
  }

  /** Whether it was given back, with its device or one of its memories perhaps. */
  get closed(): boolean {
    return this.#closed
  }

  /** Pins a part of a memory, once for each memory. @throws as `memory.pin()` */
  pin(memory: DmaMemory, byteOffset: number, byteLength: number): void {
    memory.attachUser(this)
    this.#memories.set(memory, undefined)
    this.#memories.set(memory, memory.holdPinned(byteOffset, byteLength))
  }

  /** Says between which addresses the device was given something. */
  span(lowest: number, end: number): void {
    this.#lowest = lowest
    this.#end = end
  }

  /** Lets the pages go. Idempotent. @throws what a pin throws; its memory is then quarantined */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.device.disown(this)
    closeAll(
      [...this.#memories].map(
        ([memory, pin]) =>
          () =>
            this.#release(memory, pin),
      ),
    )
  }

  #release(memory: DmaMemory, pin: DmaPin | undefined): void {
    try {
      pin?.release()
    } catch (error) {
      this.device.quarantine(memory, error)
      throw error
    } finally {
      memory.detachUser(this)
    }
  }
}
