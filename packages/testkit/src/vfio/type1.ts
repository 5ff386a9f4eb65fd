import { fail } from '../errors'
import { type IovaMapping, IovaTable } from '../iommu/iova-table'
import type { UserMemory } from '../kernel/user-memory'
import type { AddressSpace } from '../memory/address-space'
import { pageSize } from '../memory/storage'
import type { FakeProcess } from '../process'
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_VADDR,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
  VFIO_DMA_UNMAP_FLAG_VADDR,
  VFIO_IOMMU_DIRTY_PAGES,
  VFIO_IOMMU_GET_INFO,
  VFIO_IOMMU_MAP_DMA,
  VFIO_IOMMU_UNMAP_DMA,
} from './abi'
import { bitmapAt, DirtyTracking } from './dirty-pages'
import { iovaRanges, writeIommuInfo } from './type1-info'

/** What the type1 backend needs of its machine. */
export interface Type1Parts {
  readonly process: FakeProcess
  readonly addressSpace: AddressSpace
  /** The module parameter of the same name: mappings that one container may have. */
  readonly dmaEntryLimit: () => number
}

/** One VFIO_IOMMU_MAP_DMA: its pages are pinned until it goes. */
export interface Type1Mapping extends IovaMapping {
  /** Between an unmap and a map with the VADDR flag. */
  vaddrInvalid: boolean
}

const wordEnd = 1n << 64n
const pageMask = BigInt(pageSize - 1)
const mapFlags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE | VFIO_DMA_MAP_FLAG_VADDR
const unmapFlags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR

/** An address space of the type1 IOMMU backend (drivers/vfio/vfio_iommu_type1.c), version 1 or 2. */
export class Type1 {
  readonly table = new IovaTable<Type1Mapping>()
  readonly #parts: Type1Parts
  readonly #version: 1 | 2
  readonly #dirty: DirtyTracking
  /** Mappings that may still be made: fixed when the container is opened, as in the kernel. */
  #available: number

  constructor(parts: Type1Parts, version: 1 | 2) {
    this.#parts = parts
    this.#version = version
    this.#available = parts.dmaEntryLimit()
    this.#dirty = new DirtyTracking(this.table, parts.addressSpace)
  }

  /** Bytes pinned for devices. */
  get pinnedBytes(): number {
    return [...this.table].reduce((sum, { size }) => sum + size, 0)
  }

  /** Whether a mapping is between an unmap and a map with the VADDR flag. */
  get waitsForVaddr(): boolean {
    return [...this.table].some(({ vaddrInvalid }) => vaddrInvalid)
  }

  ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case VFIO_IOMMU_GET_INFO:
        writeIommuInfo(argument, this.#available)
        return 0
      case VFIO_IOMMU_MAP_DMA:
        this.#mapDma(argument)
        return 0
      case VFIO_IOMMU_UNMAP_DMA:
        this.#unmapDma(argument)
        return 0
      case VFIO_IOMMU_DIRTY_PAGES:
        if (this.#version === 1) fail('EACCES', 'version 1 of the type1 backend tells nothing of dirty pages')
        this.#dirty.ioctl(argument)
        return 0
      default:
        return fail('ENOTTY')
    }
  }

  /** Unmaps and unpins everything: the last group has left. */
  release(): void {
    for (const mapping of [...this.table]) this.#remove(mapping)
  }

  #mapDma(argument: UserMemory): void {
    const { view } = argument.sized(32)
    const flags = view.getUint32(4, true)
    if ((flags & ~mapFlags) !== 0) fail('EINVAL', `flags 0x${flags.toString(16)} has unknown bits`)
    const read = (flags & VFIO_DMA_MAP_FLAG_READ) !== 0
    const write = (flags & VFIO_DMA_MAP_FLAG_WRITE) !== 0
    const setVaddr = (flags & VFIO_DMA_MAP_FLAG_VADDR) !== 0
    if ((read || write) === setVaddr) fail('EINVAL', 'flags has to give READ or WRITE, or VADDR alone')
    const vaddr = view.getBigUint64(8, true)
    const iova = view.getBigUint64(16, true)
    const size = view.getBigUint64(24, true)
    if (size === 0n) fail('EINVAL', 'size is 0')
    if (((iova | vaddr | size) & pageMask) !== 0n)
      fail('EINVAL', 'iova, vaddr and size are multiples of the page')
    if (iova + size > wordEnd) fail('EINVAL', 'the iova range wraps')
    if (vaddr + size > wordEnd) fail('EINVAL', 'the vaddr range wraps')
    const existing = this.table.find(Number(iova), Number(size))
    if (setVaddr) {
      if (existing === undefined) fail('ENOENT', 'nothing is mapped there')
      const same = BigInt(existing.iova) === iova && BigInt(existing.size) === size
      if (!existing.vaddrInvalid || !same) fail('EINVAL', 'no mapping of that range waits for a vaddr')
      existing.vaddrInvalid = false
      return
    }
    if (existing !== undefined) fail('EEXIST', `0x${existing.iova.toString(16)} is mapped already`)
    if (this.#available === 0) fail('ENOSPC', 'dma_entry_limit is reached')
    if (!iovaRanges.some(([first, last]) => first <= iova && iova + size - 1n <= last)) {
      fail(
        'EINVAL',
        `iova 0x${iova.toString(16)} to 0x${(iova + size - 1n).toString(16)} is outside the IOMMU's ranges`,
      )
    }
    const target = this.#pin(vaddr, Number(size), write)
    this.#available--
    this.table.add({ iova: Number(iova), size: Number(size), ...target, read, write, vaddrInvalid: false })
  }

  /** Page by page, as the kernel does: what is found first, a hole or the limit, decides the errno. */
  #pin(vaddr: bigint, size: number, write: boolean): Pick<IovaMapping, 'memory' | 'registers'> {
    const address = vaddr < 1n << 47n ? Number(vaddr) : -1
    const area = this.#parts.addressSpace.find(address)
    if (area === undefined) return fail('EFAULT', `nothing is mapped at vaddr 0x${vaddr.toString(16)}`)
    if (area.memory?.pinnable === false)
      fail('EFAULT', 'a dma-buf mapping has no pages to pin: map the memfd behind it')
    if (write && !area.writable)
      fail('EFAULT', 'the memory is mapped for reading only: the device cannot write it')
    const offset = address - area.address
    const present = Math.min(size, area.byteLength - offset)
    if (area.memory === undefined) {
      // Registers have no pages that could be pinned, or counted.
      if (area.registers === undefined || present < size) return fail('EFAULT', 'the registers end before')
      return { registers: { peer: area.registers, byteOffset: offset } }
    }
    const { process } = this.#parts
    process.lockPages(present / pageSize)
    if (present < size) {
      process.unlockPages(present / pageSize)
      fail('EFAULT', `only ${present} of ${size} bytes are mapped at vaddr 0x${vaddr.toString(16)}`)
    }
    const { storage, byteOffset } = area.memory
    storage.pin()
    return { memory: { storage, byteOffset: byteOffset + offset, byteLength: size, pinnable: true } }
  }

  #unmapDma(argument: UserMemory): void {
    const { view, argsz } = argument.sized(24)
    const flags = view.getUint32(4, true)
    const all = (flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0
    const invalidate = (flags & VFIO_DMA_UNMAP_FLAG_VADDR) !== 0
    const getDirty = (flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) !== 0
    if ((flags & ~unmapFlags) !== 0) fail('EINVAL', `flags 0x${flags.toString(16)} has unknown bits`)
    if (getDirty && (all || invalidate)) fail('EINVAL', 'GET_DIRTY_BITMAP goes with no other flag')
    const iova = view.getBigUint64(8, true)
    const size = view.getBigUint64(16, true)
    if (getDirty && argsz < 48) fail('EINVAL', 'argsz has no room for the bitmap')
    const bitmap = getDirty ? bitmapAt(argument.view(48), 24, size, this.#parts.addressSpace) : undefined
    if ((iova & pageMask) !== 0n) fail('EINVAL', 'iova is no multiple of the page')
    if (all ? iova !== 0n || size !== 0n : size === 0n || (size & pageMask) !== 0n || iova + size > wordEnd) {
      fail(
        'EINVAL',
        all ? 'with the ALL flag, iova and size are 0' : 'size is 0, no multiple of the page, or wraps',
      )
    }
    if (bitmap !== undefined && !this.#dirty.active) fail('EINVAL', 'dirty tracking is off')
    bitmap?.assertPages()
    const start = Number(iova)
    const extent = all ? Number(wordEnd) : Number(size)
    if (this.#version === 2 && !all) this.#assertWhole(start, extent)
    let unmapped = 0
    // A range that ends with the last of all addresses has its end at 0, for the kernel, and nothing lies before that.
    const covered = !all && iova + size === wordEnd ? [] : this.table.within(start, extent)
    if (invalidate && covered.some(({ vaddrInvalid }) => vaddrInvalid)) {
      fail('EINVAL', 'the vaddr of a mapping was given up already')
    }
    for (const mapping of covered) {
      // Version 1 takes whole mappings, but none that begins before the range.
      if (this.#version === 1 && start > mapping.iova) break
      bitmap?.mark(start, mapping)
      unmapped += mapping.size
      if (invalidate) mapping.vaddrInvalid = true
      else this.#remove(mapping)
    }
    view.setBigUint64(16, BigInt(unmapped), true)
  }

  /** Version 2 never cuts a mapping in two. */
  #assertWhole(iova: number, size: number): void {
    const first = this.table.find(iova, 1)
    const last = this.table.find(iova + size - 1, 1)
    if (
      (first !== undefined && first.iova < iova) ||
      (last !== undefined && last.iova + last.size > iova + size)
    ) {
      fail('EINVAL', 'the range would cut a mapping in two')
    }
  }

  #remove(mapping: Type1Mapping): void {
    this.table.remove(mapping)
    this.#available++
    if (mapping.memory === undefined) return
    this.#parts.process.unlockPages(mapping.size / pageSize)
    mapping.memory.storage.unpin()
  }
}
