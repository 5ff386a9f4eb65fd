import { fail } from '../errors'
import type { IovaMapping, IovaTable } from '../iommu/iova-table'
import type { UserMemory } from '../kernel/user-memory'
import type { AddressSpace } from '../memory/address-space'
import { pageSize } from '../memory/storage'
import {
  VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
} from './abi'
import { largestDirtyBitmap } from './type1-info'

/** VFIO_IOMMU_DIRTY_PAGES of an IOMMU that does not track: every mapped page counts as dirty. */
export class DirtyTracking {
  readonly #table: IovaTable
  readonly #addressSpace: AddressSpace
  active = false

  constructor(table: IovaTable, addressSpace: AddressSpace) {
    this.#table = table
    this.#addressSpace = addressSpace
  }

  ioctl(argument: UserMemory): void {
    const { view, argsz } = argument.sized(8)
    switch (view.getUint32(4, true)) {
      case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
        this.active = true
        return
      case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
        this.active = false
        return
      case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
        if (argsz < 40 + 8) fail('EINVAL', 'argsz has no room for the range and the bitmap')
        this.#readBitmap(argument.view(48))
        return
      default:
        fail('EINVAL', 'flags is exactly one of START, STOP and GET_BITMAP')
    }
  }

  #readBitmap(view: DataView): void {
    const iova = view.getBigUint64(8, true)
    const size = view.getBigUint64(16, true)
    if (iova + size >= 1n << 64n) fail('EINVAL', 'the range wraps')
    const bitmap = bitmapAt(view, 24, size, this.#addressSpace)
    if ((iova | size) & BigInt(pageSize - 1) || size === 0n)
      fail('EINVAL', 'iova and size are multiples of the page')
    if (!this.active) fail('EINVAL', 'dirty tracking is off')
    const [start, end] = [Number(iova), Number(iova + size)]
    const covered = this.#table.within(start, end - start)
    if (covered.some((mapping) => mapping.iova < start || mapping.iova + mapping.size > end)) {
      fail('EINVAL', 'the range cuts a mapping in two')
    }
    for (const mapping of covered) markDirty(bitmap, start, mapping)
  }
}

/** The caller's `struct vfio_bitmap` at `byteOffset`: page size, bytes, pointer. Checked as the kernel checks it. */
export function bitmapAt(view: DataView, byteOffset: number, range: bigint, space: AddressSpace): Uint8Array {
  const unit = view.getBigUint64(byteOffset, true)
  const byteLength = view.getBigUint64(byteOffset + 8, true)
  if (unit !== BigInt(pageSize)) fail('EINVAL', `the bitmap's page size is not ${pageSize}`)
  const pages = range / unit
  const needed = ((pages + 63n) / 64n) * 8n
  if (pages === 0n || byteLength > BigInt(largestDirtyBitmap) || byteLength < needed) {
    fail('EINVAL', `a bitmap of ${byteLength} bytes for ${pages} pages`)
  }
  return space.bytesAt(view.getBigUint64(byteOffset + 16, true), Number(needed), true)
}

/** Sets the bits of a mapping in a bitmap that begins at `start`. */
export function markDirty(bitmap: Uint8Array, start: number, { iova, size }: IovaMapping): void {
  const first = (iova - start) / pageSize
  for (let page = first; page < first + size / pageSize; page++) bitmap[page >> 3]! |= 1 << (page & 7)
}
