import type { PciBar } from '@linux-dma/pci'

/**
 * What the number in `addr` of a map is. The kernel does not say which kind of memory a map is made of, so this is told from
 * the number itself, from the device's BARs, and, for who may read them, from the addresses in /proc/iomem.
 *
 * `registers`: in a BAR of the PCI device, or where no memory of the machine is. `memory`: the machine's memory.
 * `kernel-pointer`: an address of the kernel's own, which no device may ever be given; the map is memory.
 * `none`: all ones, no memory is behind the map now. `unknown`: a bus or physical address of either kind.
 */
export type UioAddressKind = 'registers' | 'memory' | 'kernel-pointer' | 'none' | 'unknown'

/** One of a device's maps: `maps/mapN` in sysfs. */
export interface UioMapInfo {
  readonly index: number
  /** As the driver calls it; empty where it does not. */
  readonly name: string
  /** The number in `addr`, of which {@link addressKind} says what it is. */
  readonly address: bigint
  readonly addressKind: UioAddressKind
  readonly byteLength: number
  /** Bytes from where the map begins in memory to where the device's part of it does: `offset`. */
  readonly byteOffset: number
  /** The BAR that it shows, or shows a part of; found by address: a map's index is not that of a BAR. */
  readonly bar?: number
  /** Allocated by the 2008 patch's way (`map1000` and up): the number is the bus address. */
  readonly dmaMemory?: true
}

/** One of a device's ranges of I/O ports: `portio/portN` in sysfs. */
export interface UioPortInfo {
  readonly index: number
  readonly name: string
  /** The first port. */
  readonly start: number
  /** Ports in the range. */
  readonly size: number
  readonly type: 'port_none' | 'port_x86' | 'port_gpio' | 'port_other' | (string & {})
}

/** A BAR of the PCI device behind a UIO device, and where to find it. */
export interface UioBarInfo extends PciBar {
  /** Index of the UIO map that shows all of it; left out where UIO hides it: `resourceN` in sysfs has it then. */
  readonly map?: number
}

/** The PCI device behind a UIO device. */
export interface UioPciInfo {
  readonly address: string
  readonly vendorId: number
  readonly deviceId: number
  readonly classCode: number
  readonly bars: readonly UioBarInfo[]
  /** Whether the device may start transfers of its own. */
  readonly busMaster: boolean
  /** Whether its interrupt line is held back, as uio_pci_generic does after each interrupt. */
  readonly intxDisabled: boolean
}

/**
 * Which UIO device is meant: its node, as a name, a path or a number; the address of the PCI device behind it, as it is or named
 * as one; or what its driver calls it.
 */
export type UioSelector =
  | string
  | number
  | { readonly name: string; readonly pci?: never }
  | { readonly pci: string; readonly name?: never }

/** A UIO device as sysfs shows it to everybody. */
export interface UioDeviceInfo {
  /** `uio0`: its name in /sys/class/uio and /dev. */
  readonly node: string
  readonly number: number
  /** `/dev/uio0`. */
  readonly path: string
  /** What its driver calls it. */
  readonly name: string
  readonly version: string
  /** Interrupts since the driver has it, 0 to 2^32 - 1, then from 0 again. */
  readonly eventCount: number
  /** The kernel driver that has the device behind it. */
  readonly driver: string | undefined
  /** Where the device behind it is in sysfs. */
  readonly devicePath: string
  /** Number of the IOMMU group of the device behind it; undefined where no IOMMU stands between it and memory. */
  readonly iommuGroup: string | undefined
  /** How the IOMMU treats the group: `identity` lets physical addresses pass; with any other it translates. */
  readonly iommuType: string | undefined
  readonly maps: readonly UioMapInfo[]
  readonly ports: readonly UioPortInfo[]
  readonly pci: UioPciInfo | undefined
}
