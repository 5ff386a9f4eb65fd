import type { UserMemory } from '../kernel/user-memory'
import {
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_INFO_PGSIZES,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
} from './abi'

/** Page sizes of the fake IOMMU: 4 KiB, 2 MiB, 1 GiB. */
export const iommuPageSizes = 0x4020_1000n

/** Where device addresses may lie: 39 bits, but for the window that interrupt messages are written to. */
export const iovaRanges: readonly (readonly [first: bigint, last: bigint])[] = [
  [0n, 0xfedf_ffffn],
  [0xfef0_0000n, 0x7f_ffff_ffffn],
]

/** Largest dirty bitmap in bytes. */
export const largestDirtyBitmap = 0x1000_0000

const headerBytes = 24
const minimumBytes = 16

/** VFIO_IOMMU_GET_INFO: the structure, then a chain of capabilities where `argsz` leaves room for them. */
export function writeIommuInfo(argument: UserMemory, mappingsLeft: number): void {
  const { view, argsz } = argument.sized(minimumBytes)
  const chain = capabilityChain(mappingsLeft)
  const fits = argsz >= headerBytes + chain.byteLength
  const header = new DataView(new ArrayBuffer(headerBytes))
  header.setUint32(0, fits ? argsz : headerBytes + chain.byteLength, true)
  header.setUint32(4, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, true)
  header.setBigUint64(8, iommuPageSizes, true)
  header.setUint32(16, fits ? headerBytes : 0, true)
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  argument.view(Math.min(argsz, fits ? headerBytes + chain.byteLength : headerBytes))
  bytes.set(new Uint8Array(header.buffer, 0, Math.min(argsz, headerBytes)))
  if (fits) bytes.set(chain, headerBytes)
}

/** Migration, mappings left and IOVA ranges, in the kernel's order, each at a multiple of eight bytes. */
function capabilityChain(mappingsLeft: number): Uint8Array {
  const migrationBytes = 32
  const availableBytes = 16
  const rangesBytes = 16 + 16 * iovaRanges.length
  const view = new DataView(new ArrayBuffer(migrationBytes + availableBytes + rangesBytes))
  const header = (at: number, id: number, next: number) => {
    view.setUint16(at, id, true)
    view.setUint16(at + 2, 1, true)
    view.setUint32(at + 4, next, true)
  }
  header(0, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, headerBytes + migrationBytes)
  view.setBigUint64(16, 0x1000n, true)
  view.setBigUint64(24, BigInt(largestDirtyBitmap), true)
  const available = migrationBytes
  header(available, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, headerBytes + migrationBytes + availableBytes)
  view.setUint32(available + 8, mappingsLeft, true)
  const ranges = migrationBytes + availableBytes
  header(ranges, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 0)
  view.setUint32(ranges + 8, iovaRanges.length, true)
  iovaRanges.forEach(([first, last], index) => {
    view.setBigUint64(ranges + 16 + index * 16, first, true)
    view.setBigUint64(ranges + 24 + index * 16, last, true)
  })
  return new Uint8Array(view.buffer)
}
