import type { Kernel } from '@linux-dma/core'
import { UIO_DMEM_GENIRQ } from './drivers'
import { readOptional } from './sysfs'
import type { SystemMemory } from './system-memory'
import type { UioAddressKind } from './uio-device-info'

/** What is known of the device that a map is of. */
export interface MapOwner {
  readonly driver: string | undefined
  /** Whether an IOMMU translates: a bus address is then no physical one. */
  readonly translated: boolean
}

/** What is known of one map. */
export interface MapNumber {
  /** `addr`, as sysfs has it. */
  readonly text: string
  readonly address: bigint
  readonly inBar: boolean
  readonly dmaMemory: boolean
}

/** No address of physical memory or of a bus has more bits; what a pointer of a 64-bit kernel has above them is not zero. */
const BEYOND_ADDRESSES = 1n << 52n

/** All ones, in the width that this kernel has for physical addresses. */
const ALL_ONES = /^0x(?:f{8}|f{16})$/i

/** Tells what the number in `addr` of a map is; see {@link UioAddressKind}. */
export function addressKind(
  kernel: Kernel,
  map: MapNumber,
  { driver, translated }: MapOwner,
  memory: SystemMemory,
): UioAddressKind {
  const { address } = map
  if (map.inBar) return 'registers'
  if (ALL_ONES.test(map.text)) return 'none'
  if (address >= BEYOND_ADDRESSES) return 'kernel-pointer'
  if (map.dmaMemory) return 'memory'
  if (pointersLookLikeAddresses(kernel)) {
    return driver === UIO_DMEM_GENIRQ && dmemShowsPointers(kernel) ? 'kernel-pointer' : 'unknown'
  }
  // Zero is what a driver leaves there that has nothing to say.
  if (address === 0n || translated) return 'unknown'
  switch (memory.at(address)) {
    case 'memory':
      return 'memory'
    case 'device':
      return 'registers'
    case 'nothing':
      // Memory that was set aside for a device is not listed as the machine's.
      return driver === UIO_DMEM_GENIRQ ? 'unknown' : 'registers'
    case 'hidden':
      return 'unknown'
  }
}

/** Kernels of 32 bits, and those of s390, have pointers as small as addresses. */
function pointersLookLikeAddresses(kernel: Kernel): boolean {
  const architecture = readOptional(kernel, '/proc/sys/kernel/arch')
  // The file is there since Linux 6.1; 64 bits are what this library runs on.
  return architecture !== undefined && !/64|alpha/.test(architecture)
}

/** Since Linux 6.9, uio_dmem_genirq shows where its memory is to the kernel, and no longer where it is to the device. */
function dmemShowsPointers(kernel: Kernel): boolean {
  const [major = 0, minor = 0] = (readOptional(kernel, '/proc/sys/kernel/osrelease') ?? '')
    .split('.')
    .map((part) => Number.parseInt(part, 10))
  return major > 6 || (major === 6 && minor >= 9)
}
