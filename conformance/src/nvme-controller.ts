import { type AccessWidth, DeviceModel } from '@linux-dma/testkit'
import { ADMIN_QUEUE_ATTRIBUTES, CAPABILITIES, VERSION } from './nvme'

/** As much of an NVMe controller as a driver sees before it makes queues: what QEMU's answers to a first look. */
export class NvmeController extends DeviceModel {
  readonly identity = { vendor: 0x1b36, device: 0x0010, classCode: 0x010802 }
  override readonly bars = [{ byteLength: 16384, addressWidth: 64 as const }]
  override readonly interrupts = { msix: { vectors: 65, bar: 0, tableOffset: 0x2000, pendingOffset: 0x3000 } }
  override readonly resettable = true
  #adminQueueAttributes = 0

  override read(_bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    switch (byteOffset) {
      case CAPABILITIES:
        return width === 64 ? 0x0040_0200_0f01_07ffn : 0x0f01_07ff
      case CAPABILITIES + 4:
        return 0x0040_0200
      case VERSION:
        return 0x0001_0400
      case ADMIN_QUEUE_ATTRIBUTES:
        return this.#adminQueueAttributes
      default:
        return 0
    }
  }

  override write(_bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint): void {
    if (byteOffset === ADMIN_QUEUE_ATTRIBUTES) this.#adminQueueAttributes = Number(value)
  }

  override reset(): void {
    this.#adminQueueAttributes = 0
  }
}
