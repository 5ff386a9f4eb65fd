import type { DmaError, Kernel } from '@linux-dma/core'
import { deviceGone } from './device-gone'

/** That a device goes away while it is open: what ends with it, and who is told. */
export class Departure {
  readonly #kernel: Kernel
  readonly #node: string
  readonly #controller = new AbortController()
  readonly #callbacks = new Set<() => void>()
  #noticed = false
  /** What told of it. */
  #cause: unknown

  constructor(kernel: Kernel, node: string) {
    this.#kernel = kernel
    this.#node = node
  }

  get noticed(): boolean {
    return this.#noticed
  }

  /** What every call says from then on: with what told of it, which may be another failure that only looked like it. */
  error(): DmaError {
    return deviceGone(this.#node, this.#cause)
  }

  /** Aborted when it is noticed, with DMA_DEVICE_GONE. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Calls back once, before the program is told. @returns what ends that */
  onNotice(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  /**
   * What reaches the device is closed before anybody is told: its registers may be another driver's by now, and its driver's memory
   * is being freed.
   * @param last done when all have been called back
   */
  notice(last: () => void, cause?: unknown): void {
    if (this.#noticed) return
    this.#noticed = true
    this.#cause = cause
    const callbacks = [...this.#callbacks]
    this.#callbacks.clear()
    for (const step of [...callbacks, last]) {
      try {
        step()
      } catch (error) {
        this.#kernel.warn(error as Error)
      }
    }
    this.#controller.abort(this.error())
  }
}
