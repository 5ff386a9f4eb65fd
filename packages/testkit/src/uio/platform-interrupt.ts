import type { PlatformDevice } from '../platform/device'
import type { UioDevice } from './device'

/**
 * The interrupt of a platform device as the generic drivers have it: the line is kept off from each interrupt until the
 * program writes 1. Switching it off twice is switching it off once.
 */
export class PlatformInterrupt {
  readonly #device: PlatformDevice
  #uio: UioDevice | undefined
  #enabled = true

  constructor(device: PlatformDevice) {
    this.#device = device
  }

  connect(uio: UioDevice): void {
    this.#uio = uio
    this.#device.sink = this
    if (this.#device.lineAsserted) this.lineAsserted()
  }

  disconnect(): void {
    this.#device.sink = undefined
  }

  lineAsserted(): void {
    if (!this.#enabled) return
    this.#enabled = false
    this.#uio?.notify()
  }

  /** irqcontrol(): anything but 0 switches the line on, and it fires again at once where it is up. */
  control(on: number): void {
    this.#enabled = on !== 0
    if (this.#enabled && this.#device.lineAsserted) this.lineAsserted()
  }
}
