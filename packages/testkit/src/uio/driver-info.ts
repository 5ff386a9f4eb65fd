import type { KernelDma } from '../iommu/kernel-dma'
import type { UioMap } from './map'

/** Most maps that a device has, and most port ranges. */
export const mapLimit = 5

/** I/O ports as sysfs tells of them. */
export interface PortDescription {
  readonly name: string
  readonly start: number
  readonly size: number
  readonly porttype: 'port_none' | 'port_x86' | 'port_gpio' | 'port_other'
}

/** What a driver registers with the UIO core, after struct uio_info. */
export interface UioDriverInfo {
  readonly name: string
  readonly version: string
  readonly maps: readonly UioMap[]
  readonly ports: readonly PortDescription[]
  /** Whether there are interrupts to read, of whichever kind. */
  readonly hasInterrupt: boolean
  /** What a program writes, as an s32. Absent: `ENOSYS`. */
  irqcontrol?(on: number): void
  open?(): void
  /** Run at the last close of each open file, so long as the device is registered. */
  release?(): void
}

/** The device whose driver offers it to programs. */
export interface UioParent {
  /** What its bus calls it. */
  readonly address: string
  /** Its directory in sysfs. */
  readonly directory: string
  readonly dma: KernelDma
  log(message: string): void
}
