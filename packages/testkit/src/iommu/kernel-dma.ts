import { fail } from '../errors'
import type { FaultPlan } from '../fault-plan'
import type { FrameAllocator } from '../memory/frames'
import { pageSize, type Storage, wholePages } from '../memory/storage'
import type { DmaPath } from './dma-path'
import { type IovaMapping, IovaTable } from './iova-table'
import { physicalPath } from './physical-path'

/** Memory that a driver of the kernel has for its device. */
export interface CoherentMemory {
  readonly storage: Storage
  /** Where the device finds it. */
  readonly dmaAddress: number
  /** Whether its pages, mapped for a program, are known as pages: they are then kept for it, whatever the driver does. */
  readonly hasPages: boolean
  /** dma_free_coherent() */
  free(): void
}

/** The DMA API of the kernel's own drivers for one device, and the way of that device's accesses to what it gave. */
export interface KernelDma extends DmaPath {
  /** dma_alloc_coherent(): zeroed memory with a DMA address of `addressBits` or fewer. `ENOMEM`. */
  allocateCoherent(byteLength: number, addressBits: number): CoherentMemory
}

/** What allocations need of the machine. */
export interface KernelDmaParts {
  readonly frames: FrameAllocator
  readonly faultPlan: FaultPlan
}

/** The largest piece that the kernel's page allocator gives, where no memory was set aside for larger ones. */
const largestPiece = 4 * 1024 * 1024

/** No IOMMU, or one that lets everything pass: DMA addresses are physical ones, and memory has to be in one piece. */
export function directDma({ frames, faultPlan }: KernelDmaParts): KernelDma {
  return {
    ...physicalPath(frames),
    allocateCoherent(byteLength, addressBits) {
      faultPlan.check('dma_alloc_coherent')
      if (byteLength > largestPiece) fail('ENOMEM', `the kernel has no ${byteLength} bytes in one piece`)
      const storage = frames.allocateContiguous(byteLength, addressBits)
      storage.retain()
      return {
        storage,
        dmaAddress: storage.firstFrame * pageSize,
        hasPages: false,
        free: () => storage.release(),
      }
    },
  }
}

/** An IOMMU of which the kernel fills in the page table: what its drivers have not allocated is out of reach. */
export function translatedDma({ frames, faultPlan }: KernelDmaParts): KernelDma {
  const table = new IovaTable()
  return {
    translate: (address, byteLength, direction) => table.translate(address, byteLength, direction),
    allocateCoherent(byteLength, addressBits) {
      faultPlan.check('dma_alloc_coherent')
      const size = wholePages(byteLength)
      const iova = freeIova(table, size, addressBits)
      const storage = frames.allocate(byteLength, undefined, () => {})
      storage.retain()
      const memory = { storage, byteOffset: 0, byteLength: size, pinnable: true }
      const mapping: IovaMapping = { iova, size, memory, read: true, write: true }
      table.add(mapping)
      return {
        storage,
        dmaAddress: iova,
        hasPages: true,
        free() {
          table.remove(mapping)
          storage.release()
        },
      }
    },
  }
}

/** Where messages of interrupts go, which is no memory. */
const messages = { start: 0xfee0_0000, end: 0xfef0_0000 }

/** The highest free range below the mask, and below 4 GiB as the kernel prefers it, aligned to its size. `ENOMEM`. */
function freeIova(table: IovaTable, size: number, addressBits: number): number {
  const alignment = 2 ** Math.ceil(Math.log2(size))
  const below = (end: number) => Math.floor((end - size) / alignment) * alignment
  let iova = below(2 ** Math.min(addressBits, 32))
  while (iova > 0) {
    const used = table.find(iova, size)
    if (used !== undefined) iova = below(used.iova)
    else if (iova < messages.end && iova + size > messages.start) iova = below(messages.start)
    else return iova
  }
  return fail('ENOMEM', `no ${size} IO virtual addresses of ${addressBits} bits are free`)
}
