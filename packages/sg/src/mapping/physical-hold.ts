import {
  closeAll,
  type DeviceChild,
  type DmaAddress,
  type DmaDevice,
  type DmaMemory,
  type DmaPin,
  dmaAddress,
  isDmaError,
} from '@linux-dma/core'
import type { PageRun, PageRuns } from './page-runs'

/**
 * What keeps a table mapped on a path of physical addresses: pins of the memories that it lies in, and its place among what
 * its device has. A table of frames has no memory: those who made it keep its pages.
 */
export class PhysicalHold implements DeviceChild {
  readonly device: DmaDevice
  readonly coherent = false
  readonly #memories = new Map<DmaMemory, HeldPages>()
  #lowest = 0
  #end = 0
  #closed = false
  /** A memory was closed under it. */
  #broken = false

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

  /** Whether it was given back, with its device perhaps, or one of its memories was closed. */
  get closed(): boolean {
    return this.#closed || this.#broken
  }

  /**
   * Pins pages of a memory, once for each memory: few runs of them, or, where that is more than may be locked, just those.
   * @returns the runs that are pinned
   * @throws as `memory.pin()`
   */
  pin(memory: DmaMemory, pages: PageRuns): readonly PageRun[] {
    const held = new HeldPages(memory, () => this.#lose(memory))
    this.#memories.set(memory, held)
    const few = pages.few()
    try {
      held.pin(few)
      return few
    } catch (error) {
      const exact = pages.exact()
      if (exact.length === few.length || !isDmaError(error, 'ENOMEM')) throw error
      held.pin(exact)
      return exact
    }
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
    closeAll([...this.#memories.keys()].map((memory) => () => this.#release(memory)))
  }

  /** A memory is being closed. The device may still use the pages of the others: they stay until the unmap. */
  #lose(memory: DmaMemory): void {
    this.#broken = true
    // So that what is mapped by it looks again whether it is whole.
    this.device.disown(this)
    try {
      this.#release(memory)
    } finally {
      if (this.#memories.size === 0) this.#closed = true
      else if (!this.device.closed) this.device.adopt(this)
    }
  }

  #release(memory: DmaMemory): void {
    const held = this.#memories.get(memory)
    this.#memories.delete(memory)
    try {
      this.device.assertQuiet()
      held?.release()
    } catch (error) {
      this.device.quarantine(memory, error)
      throw error
    } finally {
      if (held) memory.detachUser(held)
    }
  }
}

/** Pages of one memory that are pinned. */
class HeldPages {
  readonly close: () => void
  readonly #memory: DmaMemory
  #pins: DmaPin[] = []

  /** @param close what to do when the memory is closed */
  constructor(memory: DmaMemory, close: () => void) {
    this.#memory = memory
    this.close = close
    memory.attachUser(this)
  }

  /** All of some runs, or none. @throws as `memory.pin()` */
  pin(runs: readonly PageRun[]): void {
    try {
      for (const { start, end } of runs) {
        const pin = this.#memory.holdPinned(start, end - start)
        if (pin) this.#pins.push(pin)
      }
    } catch (error) {
      this.release()
      throw error
    }
  }

  release(): void {
    const pins = this.#pins
    this.#pins = []
    closeAll(pins.map((pin) => () => pin.release()))
  }
}
