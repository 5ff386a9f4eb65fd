import { type AccessWidth, type BarLayout, DeviceModel, type InterruptLayout } from '@linux-dma/testkit'

/** A device with BARs of every kind, whose registers hold what is written to them. */
export class PlainDevice extends DeviceModel {
  override readonly identity = { vendor: 0xcafe, device: 0x0001, classCode: 0x020000 }
  override readonly bars: readonly BarLayout[] = [
    { byteLength: 0x2000 },
    { byteLength: 0x40, kind: 'io' },
    { byteLength: 0x10_0000, addressWidth: 64, prefetchable: true },
  ]
  override readonly interrupts: InterruptLayout = { msi: 1 }
  readonly #registers = new Map<string, number | bigint>()

  override read(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    return this.#registers.get(`${bar}:${byteOffset}`) ?? (width === 64 ? 0n : 0)
  }

  override write(bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint): void {
    this.#registers.set(`${bar}:${byteOffset}`, value)
  }
}
