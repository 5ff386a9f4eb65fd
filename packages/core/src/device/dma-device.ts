import { DmaError, type Kernel } from '@linux-dma/native'
import { attendChildren } from '../checker/attend-children'
import { checkerOf } from '../checker/checker-of'
import type { DmaChecker } from '../checker/dma-checker'
import { ledgerFor } from '../checker/ledger-for'
import type { MappingLedger } from '../checker/mapping-ledger'
import { pendingReport } from '../checker/pending'
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
  /** The device has a ledger of its mappings from now on, or none any more. @internal */
  attend?(ledger: MappingLedger | undefined): void
  close(): void
}

/** What a device may still reach, although it was to be taken from it: memory, or registers of another device. */
export interface Quarantined {
  /** It could not be taken from `device`. */
  quarantine(device: DmaDevice, reason: unknown): void
  /** `device` reaches nothing any more. */
  endQuarantine(device: DmaDevice): void
}

/**
 * What a device that could not be brought to rest may still reach, until the process ends: the memory is not given back, and not
 * reported as forgotten either.
 */
const keptForGood = /* @__PURE__ */ new Set<Quarantined>()

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

  /** What is mapped, by address, where there is a checker, its kernel wants to know, or somebody asked: `setDmaChecker` changes it. @internal */
  readonly ledger: MappingLedger | undefined
  /** What was brought for this device alone, beside what its kernel has for all: `setDmaChecker` changes it. @internal */
  readonly ownChecker: DmaChecker | undefined
  /** How many children have gone: where it is what it was, so is all that was mapped. @internal */
  disowned = 0

  readonly #children = new Set<DeviceChild>()
  /** What could not be taken from the device. */
  readonly #quarantined = new Set<Quarantined>()
  #closed = false
  /** What is taken from the device now was done with before it was closed. */
  #isDone = false
  /** What the subclass says of readiness. */
  #ready = true
  /** Of memory that is not where the device was told. */
  #moved: DmaError | undefined
  /** Why it could not be stopped. */
  #unstopped: unknown
  /** Why it may go on after it was closed; undefined before that was looked up, and where it does not. */
  #unrest: DmaError | undefined
  #restKnown = false

  constructor(name: string, kernel: Kernel, ops: DmaOps) {
    this.name = name
    this.kernel = kernel
    this.ops = ops
    const checker = checkerOf(kernel)
    this.ledger = ledgerFor(this, checker)
  }

  /** What checks how its memory is mapped: what `setDmaChecker` set, or else what its kernel has for all devices. */
  get checker(): DmaChecker | undefined {
    return this.ledger && (this.ownChecker ?? this.ledger.checker)
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
   * @throws DMA_CLOSED; DMA_FRAME_MOVED; or what the subclass's {@link whyNotReady} says
   */
  assertReady(): void {
    if (this.dmaReady) return
    this.assertInPlace()
    throw this.#closed ? this.closedError() : this.whyNotReady()
  }

  /** @throws DMA_FRAME_MOVED from when the path noticed it until it sees all in place again @internal */
  assertInPlace(): void {
    if (this.#moved === undefined || this.#closed) return
    const { message, hint } = this.#moved
    throw new DmaError('DMA_FRAME_MOVED', `${this.name} has addresses of memory that was moved`, {
      hint: hint ?? message,
      cause: this.#moved,
    })
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
    this.ledger?.wholes.end(child)
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
    const { ledger } = this
    const pending = ledger && pendingReport(ledger)
    closeAll([
      () => this.#stop(),
      () => this.#closeIdleSlots(),
      ...children.map((child) => () => this.#takeAway(child)),
      () => this.#children.clear(),
      () => this.release(),
      () => this.#tellOfKept(),
      () => ledger?.unwatch(),
      () => this.setLedger(undefined),
      () => pending?.(),
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

  /** Changes it: `setDmaChecker` checks first. @internal */
  setLedger(ledger: MappingLedger | undefined): void {
    this.ledger?.events?.endAll()
    ;(this as { ledger: MappingLedger | undefined }).ledger = ledger
    attendChildren(this.#children, ledger)
  }

  /** Changes it: `setDmaChecker` checks first. @internal */
  setOwnChecker(checker: DmaChecker | undefined): void {
    ;(this as { ownChecker: DmaChecker | undefined }).ownChecker = checker
  }

  /** Changes the DMA path: `setDmaOps` checks first. @internal */
  setOps(ops: DmaOps): void {
    ;(this as { ops: DmaOps }).ops = ops
  }

  /**
   * For a path that cannot keep the device from what it had: once the device is being closed, what it may still reach must not
   * be given to anybody else. Who unmaps or frees before that says so that the device is done with it.
   * @throws DMA_NOT_QUIET
   * @internal
   */
  assertQuiet(): void {
    if (!this.#closed || this.#isDone) return
    if (!this.#restKnown) {
      this.#restKnown = true
      const reason = this.whyNotQuiet(this.#unstopped)
      if (reason !== undefined) this.#unrest = this.#notQuiet(reason)
    }
    if (this.#unrest) throw this.#unrest
  }

  /** Memory was moved that the device has addresses of: it gets none any more. Undefined: all is in place. @internal */
  setMoved(error: DmaError | undefined): void {
    this.#moved = error
    this.setReady(this.#ready)
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

  /** For a subclass: whether there is something that could not be taken from the device. */
  protected get keepsMemory(): boolean {
    return this.#quarantined.size > 0
  }

  /** For a subclass, once it is whole: reports it if it is forgotten. */
  protected watchForLeak(): void {
    watchForLeak(this, `the device ${this.name}`, this.kernel)
  }

  /** For a subclass: whether DMA addresses may be handed out. */
  protected setReady(ready: boolean): void {
    this.#ready = ready
    ;(this as { dmaReady: boolean }).dmaReady = ready && this.#moved === undefined
  }

  /** Stops the device from starting transfers, before anything it can reach is taken away. */
  protected quiesce(): void {}

  /**
   * Why the device may go on with transfers after {@link quiesce}; undefined where it does not. Asked for where nothing else
   * keeps it from memory.
   * @param failure what `quiesce` threw
   */
  protected whyNotQuiet(failure: unknown): string | undefined {
    return failure === undefined ? undefined : 'it could not be stopped'
  }

  /** Gives back what the subclass holds, after all children are closed. */
  protected release(): void {}

  /** Why {@link dmaReady} is false on an open device. */
  protected whyNotReady(): DmaError {
    return new DmaError('DMA_NOT_READY', `${this.name} cannot do DMA now`)
  }

  protected closedError(): DmaError {
    return new DmaError('DMA_CLOSED', `${this.name} is closed`, { hint: 'open the device again' })
  }

  #stop(): void {
    try {
      this.quiesce()
    } catch (error) {
      this.#unstopped = error
      throw error
    }
  }

  /** No program can free the slots of its device: who has unmapped all that was in them said that the device is done with them. */
  #closeIdleSlots(): void {
    this.#isDone = true
    try {
      this.ops.bouncer?.closeIdle?.(this)
    } finally {
      this.#isDone = false
    }
  }

  /** That something is kept from everybody is no failure to close: what is kept in the end is told of by a warning. */
  #takeAway(child: DeviceChild): void {
    try {
      child.close()
    } catch (error) {
      if (this.#unrest === undefined || error !== this.#unrest) throw error
    }
  }

  #tellOfKept(): void {
    if (this.#quarantined.size === 0 || this.#unrest === undefined) return
    for (const what of this.#quarantined) keptForGood.add(what)
    this.kernel.warn(this.#unrest)
  }

  #notQuiet(reason: string): DmaError {
    return new DmaError(
      'DMA_NOT_QUIET',
      `${this.name} may go on with transfers after close(), since ${reason}: what it had mapped then is kept until this process ends`,
      {
        hint: 'stop the device by its registers, then unmap and free what it has, and close it last: dmaUnmapSingle(), region.close(), allocation.free() say that it is done',
        cause: this.#unstopped,
      },
    )
  }
}
