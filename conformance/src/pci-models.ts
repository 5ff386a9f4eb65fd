import { type AccessWidth, DeviceModel } from '@linux-dma/testkit'

/** The register of an AHCI controller that has its version. */
export const AHCI_VERSION = 0x10
/** The registers of an e1000e that have its address on the network, the lower half first. */
export const E1000E_RECEIVE_ADDRESS = 0x5400

/** Registers that keep what is written to them, and are 0 before. */
abstract class PlainRegisters extends DeviceModel {
  readonly #kept = new Map<string, number | bigint>()

  override read(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    return this.#kept.get(`${bar}:${byteOffset}`) ?? (width === 64 ? 0n : 0)
  }

  override write(bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint): void {
    this.#kept.set(`${bar}:${byteOffset}`, value)
  }
}

/** Memory that is shared between machines, in a BAR that UIO hides; a device without interrupts. */
export class IvshmemPlain extends PlainRegisters {
  override readonly identity = { vendor: 0x1af4, device: 0x1110, classCode: 0x050000 }
  override readonly bars = [
    { byteLength: 0x100 },
    { index: 2, byteLength: 0x10_0000, addressWidth: 64 as const, prefetchable: true },
  ]
  override readonly interrupts = { pin: false }
}

/**
 * A network card as far as its address: four BARs, one of which is a window of two I/O ports on the registers of the first.
 */
export class E1000e extends PlainRegisters {
  override readonly identity = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000 }
  override readonly bars = [
    { byteLength: 0x2_0000 },
    { byteLength: 0x2_0000 },
    { byteLength: 0x20, kind: 'io' as const },
    { byteLength: 0x4000 },
  ]
  #selected = 0

  override read(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    if (bar === 2) return byteOffset === 0 ? this.#selected : super.read(0, this.#selected, width)
    return super.read(bar, byteOffset, width)
  }

  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    if (bar !== 2) super.write(bar, byteOffset, width, value)
    else if (byteOffset === 0) this.#selected = Number(value)
    else super.write(0, this.#selected, width, value)
  }
}
