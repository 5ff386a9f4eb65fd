import { type AccessWidth, DeviceModel } from '@linux-dma/testkit'
import {
  ADMIN_COMPLETION_QUEUE,
  ADMIN_QUEUE_ATTRIBUTES,
  ADMIN_SUBMISSION_DOORBELL,
  ADMIN_SUBMISSION_QUEUE,
  CAPABILITIES,
  COMPLETION_BYTES,
  CONFIGURATION,
  READY,
  STATUS,
  SUBMISSION_BYTES,
  VERSION,
} from './nvme'

/** Registers that keep what is written to them. */
const KEPT = [
  CONFIGURATION,
  ADMIN_QUEUE_ATTRIBUTES,
  ADMIN_SUBMISSION_QUEUE,
  ADMIN_SUBMISSION_QUEUE + 4,
  ADMIN_COMPLETION_QUEUE,
  ADMIN_COMPLETION_QUEUE + 4,
]
const ADMIN_VECTOR = 0

/** As much of an NVMe controller as QEMU's shows at a first look: it completes whatever its admin queue asks for, once round. */
export class NvmeController extends DeviceModel {
  readonly identity = { vendor: 0x1b36, device: 0x0010, classCode: 0x010802 }
  override readonly bars = [{ byteLength: 16384, addressWidth: 64 as const }]
  override readonly interrupts = { msix: { vectors: 65, bar: 0, tableOffset: 0x2000, pendingOffset: 0x3000 } }
  override readonly resettable = true
  readonly #kept = new Map(KEPT.map((byteOffset) => [byteOffset, 0]))
  #completed = 0

  override read(_bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    switch (byteOffset) {
      case CAPABILITIES:
        return width === 64 ? 0x0040_0200_0f01_07ffn : 0x0f01_07ff
      case CAPABILITIES + 4:
        return 0x0040_0200
      case VERSION:
        return 0x0001_0400
      case STATUS:
        return this.#kept.get(CONFIGURATION)! & READY
      default:
        return this.#kept.get(byteOffset) ?? 0
    }
  }

  override write(_bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint): void {
    if (this.#kept.has(byteOffset)) this.#kept.set(byteOffset, Number(value))
    if (byteOffset === ADMIN_SUBMISSION_DOORBELL) this.#complete(Number(value))
  }

  override reset(): void {
    for (const byteOffset of KEPT) this.#kept.set(byteOffset, 0)
    this.#completed = 0
  }

  #complete(tail: number): void {
    for (; this.#completed < tail; this.#completed++) {
      const submission = new DataView(new ArrayBuffer(SUBMISSION_BYTES))
      const from = this.#kept.get(ADMIN_SUBMISSION_QUEUE)! + this.#completed * SUBMISSION_BYTES
      this.dma.read(from, new Uint8Array(submission.buffer))
      const completion = new DataView(new ArrayBuffer(COMPLETION_BYTES))
      completion.setUint16(8, this.#completed + 1, true)
      // The command's number, and a bit that tells a new entry from what was there before.
      completion.setUint32(12, submission.getUint16(2, true) | 0x1_0000, true)
      const to = this.#kept.get(ADMIN_COMPLETION_QUEUE)! + this.#completed * COMPLETION_BYTES
      this.dma.write(to, new Uint8Array(completion.buffer))
      this.raiseInterrupt(ADMIN_VECTOR)
    }
  }
}
