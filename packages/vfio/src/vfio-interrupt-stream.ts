import { closeAll, DmaError, InterruptStream, type Kernel } from '@linux-dma/core'
import type { Watch } from '@linux-dma/native'
import * as vfio from './constants'
import type { ChosenInterrupts, InterruptKind } from './interrupt-kind'
import { encodeIrqSet } from './structs'

/** Where interrupts come from. */
export interface InterruptSource {
  readonly kernel: Kernel
  /** The device's descriptor. */
  readonly fd: number
  /** Whether an interrupt of the device could get through now. */
  canSignal(): boolean
}

/**
 * The interrupts of a device that VFIO has: an eventfd for each vector. INTx is masked by the kernel at each interrupt and
 * unmasked here when the next is asked for.
 */
export class VfioInterruptStream extends InterruptStream {
  readonly kind: InterruptKind
  readonly #source: InterruptSource
  readonly #chosen: ChosenInterrupts
  readonly #eventfds: number[] = []
  readonly #watches: Watch[] = []
  readonly #onClose: () => void
  /** By the kernel, since an interrupt came; ended when the next is asked for. */
  #autoMasked = false
  /** By `mask()`; ended by `unmask()` only. */
  #masked = false

  /** @internal use {@link VfioDevice.interrupts} */
  constructor(
    source: InterruptSource,
    chosen: ChosenInterrupts,
    signal: AbortSignal | undefined,
    onClose: () => void,
  ) {
    super(source.kernel, chosen.vectors, signal)
    this.#source = source
    this.#chosen = chosen
    this.#onClose = onClose
    this.kind = chosen.kind
    try {
      for (let vector = 0; vector < chosen.vectors; vector++) this.#watch(vector)
      this.#set(vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, this.#eventfds)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  /**
   * Holds back further INTx interrupts. MSI and MSI-X vectors cannot be masked through VFIO.
   * @throws DMA_NOT_MASKABLE, DMA_CLOSED
   */
  mask(): void {
    this.#assertMaskable()
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_MASK, 1)
    this.#masked = true
  }

  /** Lets INTx interrupts through again. @throws DMA_NOT_MASKABLE, DMA_CLOSED */
  unmask(): void {
    this.#assertMaskable()
    this.#unmask()
    this.#masked = false
  }

  /**
   * Makes an interrupt in the device's stead, to try a handler out. Mirrors what VFIO calls loopback.
   * @param vector one of those that are enabled
   * @throws DMA_INVALID_ARGUMENT, DMA_CLOSED
   */
  trigger(vector = 0): void {
    this.assertOpen()
    if (!(Number.isInteger(vector) && vector >= 0 && vector < this.#chosen.vectors)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', `trigger: vector ${String(vector)} is not enabled`, {
        hint: `0 to ${this.#chosen.vectors - 1} are; ask for more with interrupts({ vectors: n })`,
      })
    }
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, 1, vector)
  }

  protected override rearm(): void {
    if (this.#autoMasked && !this.#masked) this.#unmask()
  }

  protected override stop(): void {
    closeAll([
      () => this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, 0),
      ...this.#watches.splice(0).map((watch) => () => watch.close()),
      ...this.#eventfds.splice(0).map((eventfd) => () => this.#source.kernel.close(eventfd)),
      () => this.#onClose(),
    ])
  }

  protected override collect(): void {
    const bytes = new Uint8Array(8)
    for (const [vector, eventfd] of this.#eventfds.entries()) {
      try {
        this.#source.kernel.read(eventfd, bytes)
      } catch {
        continue // nothing there
      }
      this.#came(vector, Number(new DataView(bytes.buffer).getBigUint64(0, true)))
    }
  }

  protected override whyNone(): string {
    return this.#source.canSignal()
      ? 'check that the device was started with its interrupt enabled, and that the last one was acknowledged'
      : 'bus mastering is off, so the device cannot send one: call device.setMaster()'
  }

  #watch(vector: number): void {
    const eventfd = this.#source.kernel.eventfd()
    this.#eventfds.push(eventfd)
    const listener = {
      onCount: (count: number) => this.#came(vector, count),
      onError: (error: Error) => this.fail(error),
    }
    this.#watches.push(this.#source.kernel.watch(eventfd, 8, listener))
  }

  #came(vector: number, count: number): void {
    if (this.kind === 'intx') this.#autoMasked = true
    this.deliver(vector, count)
  }

  #unmask(): void {
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_UNMASK, 1)
    this.#autoMasked = false
  }

  #assertMaskable(): void {
    this.assertOpen()
    if (this.#chosen.info.flags & vfio.VFIO_IRQ_INFO_MASKABLE) return
    throw new DmaError('DMA_NOT_MASKABLE', `VFIO cannot mask ${this.kind}`, {
      hint: 'mask the interrupt in the device’s own registers',
    })
  }

  #set(flags: number, vectors: readonly number[] | number, start = 0): void {
    const argument = encodeIrqSet(this.#chosen.info.index, flags, vectors, start)
    this.#source.kernel.ioctl(this.#source.fd, vfio.VFIO_DEVICE_SET_IRQS, argument, 'VFIO_DEVICE_SET_IRQS')
  }
}
