import { closeAll, InterruptStream } from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { assertGate, hasPinGate, type InterruptGate, openGate } from './interrupt-gate'

/**
 * The interrupts of a UIO device, each counted once. Where its driver holds them back after each, the next is let through
 * when it is asked for, unless `disable()` was called.
 *
 * `close()` leaves the pin of a PCI device held back or not, as `interrupts()` found it; another driver is told to hold interrupts
 * back, as by `disable()`, since it does not say what it did before.
 */
export class UioInterruptStream extends InterruptStream {
  /** `intx` where the pin of a PCI device is masked after each (uio_pci_generic); `uio` for all other drivers. */
  readonly kind: 'intx' | 'uio'
  readonly #connection: UioConnection
  readonly #gate: InterruptGate | undefined
  readonly #onClose: () => void
  #release: (() => void)[] = []
  /** Total at the last delivery. */
  #delivered: number
  /** By the driver, since an interrupt came; ended when the next is asked for. */
  #held = false
  /** By `disable()`; ended by `enable()` only. */
  #disabled = false

  /** @internal use {@link UioDevice.interrupts} */
  constructor(connection: UioConnection, signal: AbortSignal | undefined, onClose: () => void) {
    super(connection.kernel, 1, signal)
    this.kind = hasPinGate(connection) ? 'intx' : 'uio'
    this.#connection = connection
    this.#onClose = onClose
    this.#delivered = 0
    try {
      connection.assertPresent()
      this.#delivered = connection.total
      this.#release = [
        connection.subscribe((total) => this.#came(total)),
        connection.onGone(() => this.fail(connection.goneError())),
      ]
      // What is still asserted comes now, and counts.
      this.#gate = openGate(connection)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  /**
   * Lets interrupts through again after {@link disable}, or before the next one is asked for. Mirrors the 1 that is written
   * to a UIO node.
   * @throws DMA_UNSUPPORTED where the driver has no irqcontrol(); DMA_DEVICE_GONE, DMA_CLOSED
   */
  enable(): void {
    this.#assertUsable()
    assertGate(this.#gate, this.#connection.info.name)
    this.#gate.open()
    this.#disabled = false
    this.#held = false
  }

  /**
   * Holds interrupts back until {@link enable}. Mirrors the 0 that is written to a UIO node; with uio_pci_generic it is bit 10 of
   * PCI_COMMAND.
   * @throws DMA_UNSUPPORTED where the driver has no irqcontrol(); DMA_DEVICE_GONE, DMA_CLOSED
   */
  disable(): void {
    this.#assertUsable()
    assertGate(this.#gate, this.#connection.info.name)
    this.#gate.shut()
    this.#disabled = true
  }

  protected override rearm(): void {
    if (!this.#held || this.#disabled) return
    this.#held = false
    this.#gate?.open()
  }

  protected override stop(): void {
    closeAll([...this.#release.splice(0), () => this.#leaveGate(), () => this.#onClose()])
  }

  protected override collect(): void {
    this.#connection.present()
  }

  protected override whyNone(): string {
    if (this.#disabled) return 'it is disabled: call enable()'
    const { node } = this.#connection.info
    const still = `'cat /sys/class/uio/${node}/event' counts those that came, /proc/interrupts those of its line`
    if (this.kind === 'intx') {
      return `does the device raise its pin, and not MSI? Was its cause acknowledged in its registers? ${still}`
    }
    return `does the device raise it, and was its cause acknowledged? ${still}`
  }

  /** The total wraps at 2^32. */
  #came(total: number): void {
    const count = (total - this.#delivered) >>> 0
    this.#delivered = total
    if (count === 0) return
    this.#held = true
    this.deliver(0, count)
  }

  /** A device that has gone is another driver's by now, or nobody's. */
  #leaveGate(): void {
    const connection = this.#connection
    if (this.#gate === undefined || !connection.present()) return
    try {
      this.#gate.leave()
    } catch (error) {
      if (!connection.gone) throw error
    }
  }

  #assertUsable(): void {
    this.#connection.assertNotGone()
    this.assertOpen()
  }
}
