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
    bitmap.assertPages()
    if ((iova | size) & BigInt(pageSize - 1) || size === 0n)
      fail('EINVAL', 'iova and size are multiples of the page')
    if (!this.active) fail('EINVAL', 'dirty tracking is off')
    const [start, end] = [Number(iova), Number(iova + size)]
    const covered = this.#table.within(start, end - start)
    if (covered.some((mapping) => mapping.iova < start || mapping.iova + mapping.size > end)) {
      fail('EINVAL', 'the range cuts a mapping in two')
    }
    for (const mapping of covered) bitmap.mark(start, mapping)
  }
}

/** The caller's `struct vfio_bitmap` at `byteOffset`: page size, bytes, pointer. Checked as the kernel checks it. */
export function bitmapAt(
  view: DataView,
  byteOffset: number,
  range: bigint,
  space: AddressSpace,
): DirtyBitmap {
  const unit = view.getBigUint64(byteOffset, true)
  const byteLength = view.getBigUint64(byteOffset + 8, true)
  const pages = range >> lowestBit(unit)
  const needed = ((pages + 63n) / 64n) * 8n
  if (pages === 0n || byteLength > BigInt(largestDirtyBitmap) || byteLength < needed) {
    fail('EINVAL', `a bitmap of ${byteLength} bytes for ${pages} pages`)
  }
  return new DirtyBitmap(unit, view.getBigUint64(byteOffset + 16, true), space)
}

/** Where a program wants to have the bits. Its pointer is looked at once there is something to write. */
export class DirtyBitmap {
  readonly #unit: bigint
  readonly #pointer: bigint
  readonly #space: AddressSpace

  constructor(unit: bigint, pointer: bigint, space: AddressSpace) {
    this.#unit = unit
    this.#pointer = pointer
    this.#space = space
  }

  /** Whether a bit is one page, which is all that there is. `EINVAL` */
  assertPages(): void {
    if (this.#unit !== BigInt(pageSize)) fail('EINVAL', `the bitmap's page size is not ${pageSize}`)
  }

  /** Sets the bits of a mapping, where bit 0 is the page at `start`. Whole words are written, as by the kernel. `EFAULT` */
  mark(start: number, { iova, size }: IovaMapping): void {
    const first = (iova - start) / pageSize
    const firstWord = Math.floor(first / 64)
    const end = first + size / pageSize
    const byteLength = (Math.ceil(end / 64) - firstWord) * 8
    const bytes = this.#space.bytesAt(this.#pointer + BigInt(firstWord * 8), byteLength, true)
    const before = first - firstWord * 64
    clearFrom(bytes, before)
    for (let page = before; page < end - firstWord * 64; page++) bytes[page >> 3]! |= 1 << (page & 7)
  }
}

function clearFrom(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! &= (1 << (bit & 7)) - 1
  bytes.fill(0, (bit >> 3) + 1)
}

/** The number of the lowest bit that is set. */
function lowestBit(value: bigint): bigint {
  let bit = 0n
  while (bit < 63n && ((value >> bit) & 1n) === 0n) bit++
  return bit
}
