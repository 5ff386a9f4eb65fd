import { DmaError, type Kernel } from '@linux-dma/native'
import type { DmaAddress } from './address'
import { closeAll } from './close-all'
import type { DmaOps } from './dma-ops'

/** Memory that a device can reach, and that must be taken from it before the device goes: a region. */
export interface DeviceChild {
  readonly dmaAddress: DmaAddress
  readonly byteLength: number
  close(): void
}

/** A device that can do DMA: the part of the kernel's `struct device` that its DMA API looks at. */
export class DmaDevice implements Disposable {
  /** What errors call the device, for example `0000:00:04.0`. */
  readonly name: string
  readonly kernel: Kernel
  readonly ops: DmaOps
  /**
   * Highest address for streaming mappings. 32 bits until `dmaSetMask` says otherwise, as for a kernel device.
   * Read it freely; set it through `dmaSetMask`, which asks whether the device's DMA path can honour it.
   */
  dmaMask = 0xffff_ffffn
  /** Highest address for coherent allocations: `dmaSetCoherentMask`. */
  coherentDmaMask = 0xffff_ffffn
  /** Whether a DMA address may be handed out now. A subclass sets it: a PCI device without bus mastering may not. */
  dmaReady = true

  readonly #children = new Set<DeviceChild>()
  #closed = false

  constructor(name: string, kernel: Kernel, ops: DmaOps) {
    this.name = name
    this.kernel = kernel
    this.ops = ops
  }

  /** What the device can reach now, oldest first. */
  get children(): ReadonlySet<DeviceChild> {
    return this.#children
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Refuses while the device cannot do DMA.
   * @throws DMA_CLOSED, or what the subclass's {@link whyNotReady} says
   */
  assertReady(): void {
    if (!this.dmaReady) throw this.#closed ? this.closedError() : this.whyNotReady()
  }

  /** @throws DMA_CLOSED */
  assertOpen(): void {
    if (this.#closed) throw this.closedError()
  }

  /** Registers something to be closed with, and before, this device. */
  adopt(child: DeviceChild): void {
    this.assertOpen()
    this.#children.add(child)
  }

  /** Forgets a child that closed itself. */
  disown(child: DeviceChild): void {
    this.#children.delete(child)
  }

  /**
   * Closes everything made on this device, newest first, then the device. Idempotent. Every child is tried even
   * where one fails; the first failure is thrown at the end.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.dmaReady = false
    const children = [...this.#children].reverse()
    closeAll([
      () => this.quiesce(),
      ...children.map((child) => () => child.close()),
      () => this.#children.clear(),
      () => this.release(),
    ])
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Stops the device from starting transfers, before anything it can reach is taken away. */
  protected quiesce(): void {}

  /** Gives back what the subclass holds, after all children are closed. */
  protected release(): void {}

  /** Why {@link dmaReady} is false on an open device. */
  protected whyNotReady(): DmaError {
    return new DmaError('DMA_NOT_READY', `${this.name} cannot do DMA now`)
  }

  protected closedError(): DmaError {
    return new DmaError('DMA_CLOSED', `${this.name} is closed`, { hint: 'open the device again' })
  }
}
