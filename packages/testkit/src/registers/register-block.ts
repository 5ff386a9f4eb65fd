import type { PeerRegisters } from '../iommu/dma-path'
import type { AccessWidth } from '../models/device-model'

/** What answers the accesses of a {@link FakeRegisterWindow}: a BAR of a device, or memory that is mapped like one. */
export interface RegisterBlock extends PeerRegisters {
  /** For messages, such as `BAR 0 of 0000:00:04.0`. */
  readonly name: string
  /** Whether anybody answers: where not, Linux raises SIGBUS. */
  readonly decodes: boolean
  read(byteOffset: number, width: AccessWidth): number | bigint
  write(byteOffset: number, width: AccessWidth, value: number | bigint): void
}
