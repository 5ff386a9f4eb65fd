import type { PortRange } from '../io/port-space'
import type { AccessWidth } from '../models/device-model'
import type { Bar } from './config-space'
import type { PciFunction } from './function'

/** Bits that one instruction on I/O ports moves. */
type PortWidth = Exclude<AccessWidth, 64>

/** A BAR of I/O ports. While the command register has them off they read as ones and take nothing. */
export class IoBar implements PortRange {
  readonly start: number
  readonly size: number
  readonly #device: PciFunction
  readonly #index: number

  constructor(device: PciFunction, { index, address, byteLength }: Bar) {
    this.start = address
    this.size = byteLength
    this.#device = device
    this.#index = index
  }

  /** One instruction at a byte offset of the BAR. */
  read(byteOffset: number, width: PortWidth): number {
    const { config } = this.#device
    return config.ioEnabled
      ? Number(this.#device.readRegister(this.#index, byteOffset, width))
      : 2 ** width - 1
  }

  write(byteOffset: number, width: PortWidth, value: number): void {
    if (this.#device.config.ioEnabled) this.#device.writeRegister(this.#index, byteOffset, width, value)
  }

  read8(port: number): number {
    return this.read(port - this.start, 8)
  }

  write8(port: number, value: number): void {
    this.write(port - this.start, 8, value)
  }
}
