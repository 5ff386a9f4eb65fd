import { fail } from '../errors'
import type { CoherentMemory } from '../iommu/kernel-dma'
import { kernelAddress } from '../memory/kernel-address'
import { pageSize, type Storage, wholePages } from '../memory/storage'
import type { RegisterBlock } from '../registers/register-block'

/** What a map is of: which rules mmap has for it. `none` is there to be seen, and cannot be mapped. */
export type UioMemoryKind = 'none' | 'phys' | 'logical' | 'virtual' | 'iova' | 'dma-coherent'

/** What is behind a map: a device's registers, or memory. */
export type MapContent =
  | { readonly registers: RegisterBlock }
  | {
      readonly storage: Storage
      /** Whether the pages of a mapping are known as pages: pagemap shows them, and they can be pinned. */
      readonly hasPages: boolean
      /** Whether a page comes into a mapping when it is accessed first, which needs the driver still. */
      readonly byFaults?: boolean
    }

/** A range that a UIO driver offers to be mapped, after struct uio_mem. What it says may change while it is there. */
export interface UioMap {
  readonly name: string
  readonly kind: UioMemoryKind
  readonly byteLength: number
  /** What a program adds to where it has mapped the range. */
  readonly byteOffset: number
  /** As `addr` in sysfs shows it: an address of one kind or another. */
  readonly address: bigint
  readonly content: MapContent | undefined
}

/** What a driver that has no address writes in its place. */
export const noAddress = 0xffff_ffff_ffff_ffffn

/** What mmap of `byteLength` bytes from the start of a map gives. `EINVAL`, `ENODEV`. */
export function mappedContent(map: UioMap, byteLength: number): MapContent {
  const { kind, address } = map
  const within = Number(address % BigInt(pageSize))
  const asked = wholePages(byteLength)
  if (asked > wholePages(within + map.byteLength)) {
    fail('EINVAL', `${byteLength} bytes of a map that has ${map.byteLength}`)
  }
  if (kind === 'none') fail('EINVAL', 'the map is of no kind that can be mapped')
  if (kind !== 'logical' && kind !== 'virtual') {
    if (within !== 0) fail('ENODEV', `its address is 0x${address.toString(16)}, which begins no page`)
    // The size of the mapping, in whole pages, is held against that of the map, in bytes.
    if (asked > map.byteLength) fail('EINVAL', `the map ends within a page, at ${map.byteLength} bytes`)
  }
  return map.content ?? fail('ENODEV', 'there is nothing behind the map')
}

/** A range of registers, which begins a page, with the rest of its last page: what most drivers offer of it. */
export function inWholePages<Place extends { readonly byteLength: number }>(place: Place): Place {
  return { ...place, byteLength: wholePages(place.byteLength) }
}

/** A map of registers at a physical address. */
export function registerMap(
  name: string,
  place: { readonly byteLength: number; readonly address: number },
  registers: RegisterBlock,
): UioMap {
  return {
    name,
    kind: 'phys',
    byteLength: place.byteLength,
    byteOffset: 0,
    address: BigInt(place.address),
    content: { registers },
  }
}

/** A map of coherent memory: since Linux 6.9, with the kernel's own pointer as its address. */
export function coherentMap(
  description: Pick<UioMap, 'name' | 'byteLength' | 'byteOffset'>,
  { storage, hasPages }: CoherentMemory,
): UioMap {
  return {
    ...description,
    kind: 'dma-coherent',
    address: kernelAddress(storage),
    content: { storage, hasPages },
  }
}
