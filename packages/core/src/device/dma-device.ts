import { DmaError, type Kernel } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import { closed as forget, watchForLeak } from '../checks/leaks'
import type { DmaAddress } from '../vocabulary/address'
import type { DmaOps } from './dma-ops'
import { type DmaParameters, defaultDmaParameters } from './dma-parameters'

/** Memory that a device can reach, and that must be taken from it before the device goes: a region. */
export interface DeviceChild {
  readonly dmaAddress: DmaAddress
  readonly byteLength: number
  /** Shared without being handed over, and so below the mask for coherent memory. */
  readonly coherent: boolean
  close(): void
}

/** What a device may still reach, although it was to be taken from it: memory, or registers of another device. */
export interface Quarantined {
  /** It could not be taken from `device`. */
  quarantine(device: DmaDevice, reason: unknown): void
  /** `device` reaches nothing any more. */
  endQuarantine(device: DmaDevice): void
}

/** A device that can do DMA: the part of the kernel's `struct device` that its DMA API looks at. */
export class DmaDevice implements Disposable {
  /** What errors call the device, for example `0000:00:04.0`. */
  readonly name: string
  readonly kernel: Kernel
  /** How the device's accesses come to be mapped: `setDmaOps` changes it. */
  readonly ops: DmaOps
  /** What its scatter-gather engine takes: `dmaSetMaxSegSize` and its like change it. */
  readonly parameters: DmaParameters = { ...defaultDmaParameters }
  /**
   * Highest address for streaming mappings. 32 bits until `dmaSetMask` says otherwise, as for a kernel device.
   */
  readonly dmaMask: bigint = 0xffff_ffffn
  /** Highest address for coherent allocations: `dmaSetCoherentMask` changes it. */
  readonly coherentDmaMask: bigint = 0xffff_ffffn
  /** Whether a DMA address may be handed out now: not for a PCI device without bus mastering. */
  readonly dmaReady: boolean = true

  /** How many children have gone: where it is what it was, so is all that was mapped. @internal */
  disowned = 0

  readonly #children = new Set<DeviceChild>()
  /** What could not be taken from the device. */
  readonly #quarantined = new Set<Quarantined>()
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
    this.disowned++
  }

  /**
   * Closes everything made on this device, newest first, then the device. Idempotent. Every child is tried even
   * where one fails; the first failure is thrown at the end.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.setReady(false)
    forget(this)
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

  /** Sets the masks: `dmaSetMask` and its like check them first. @internal */
  setMasks(masks: { streaming?: bigint; coherent?: bigint }): void {
    const device = this as { dmaMask: bigint; coherentDmaMask: bigint }
    device.dmaMask = masks.streaming ?? this.dmaMask
    device.coherentDmaMask = masks.coherent ?? this.coherentDmaMask
  }

  /** Changes the DMA path: `setDmaOps` checks first. @internal */
  setOps(ops: DmaOps): void {
    ;(this as { ops: DmaOps }).ops = ops
  }

  /** Keeps what could not be taken from this device until it is proven quiet. @internal */
  quarantine(what: Quarantined, reason: unknown): void {
    what.quarantine(this, reason)
    this.#quarantined.add(what)
  }

  /** For a subclass whose device can reach nothing any more, whatever went wrong before: its address space is gone. */
  protected provenQuiet(): void {
    const all = [...this.#quarantined]
    this.#quarantined.clear()
    closeAll(all.map((what) => () => what.endQuarantine(this)))
  }

  /** For a subclass, once it is whole: reports it if it is forgotten. */
  protected watchForLeak(): void {
    watchForLeak(this, `the device ${this.name}`, this.kernel)
  }

  /** For a subclass: whether DMA addresses may be handed out. */
  protected setReady(ready: boolean): void {
    ;(this as { dmaReady: boolean }).dmaReady = ready
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
