import { fail } from '../errors'
import type { CoherentMemory } from '../iommu/kernel-dma'
import type { UioParent } from './driver-info'
import type { UioMap } from './map'

/**
 * A UIO core that gives out DMA memory by mmap, as a patch of 2008 had it: the bus address is in the first word of the
 * memory, the index in the second. It lives as long as the device is registered.
 */
export interface DmaMemoryAbi {
  /** Maps that the core adds behind the driver's own. */
  readonly slots: readonly UioMap[]
  /** Whether a page offset of mmap means DMA memory. */
  claims(index: number): boolean
  /** The map that a claimed page offset means, made where that is asked for; undefined for none. `ENOMEM`, `EINVAL`. */
  map(index: number, byteLength: number): UioMap | undefined
  /** Gives all of it back. */
  free(): void
}

/** Address bits of the memory: what devices have that no driver has said more about. */
const addressBits = 32
/** A quarter of the memory below 4 GiB: no mapping may take more. */
const largest = 512 * 1024 * 1024

/** Memory that tells its own bus address and index. `ENOMEM`. */
export function allocateDmaMemory(parent: UioParent, byteLength: number, index: number): CoherentMemory {
  if (byteLength > largest) fail('ENOMEM', `${byteLength} bytes are more than a quarter of the memory`)
  const memory = parent.dma.allocateCoherent(byteLength, addressBits)
  const { buffer, byteOffset } = memory.storage.bytes(0, 16)
  const words = new DataView(buffer, byteOffset)
  words.setBigUint64(0, BigInt(memory.dmaAddress), true)
  words.setBigUint64(8, BigInt(index), true)
  return memory
}
