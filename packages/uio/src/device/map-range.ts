import { DmaError } from '@linux-dma/core'
import type { UioDeviceInfo, UioMapInfo } from '../discovery/uio-device-info'

/** What to map of a UIO map, and where in that the device's part lies. */
export interface MapRange {
  /** Of the file: maps are told apart by pages. */
  readonly position: number
  /** Bytes to map, from the beginning: there is no other way. */
  readonly mappedLength: number
  readonly byteOffset: number
  /** Bytes of the map itself. */
  readonly byteLength: number
}

/**
 * What mmap(2) takes for a map: as many pages as its address and size touch. A map may say that it begins behind the start of its
 * page, and yet, as those of uio_pci_generic do, count its size from there: it is cut off where the pages end.
 */
export function mapRange(map: UioMapInfo, pageSize: number): MapRange {
  const { index, byteOffset, address } = map
  const allowed = wholePages(Number(address % BigInt(pageSize)) + map.byteLength, pageSize)
  const end = Math.min(byteOffset + map.byteLength, allowed)
  const byteLength = Math.max(end - byteOffset, 0)
  return { position: index * pageSize, mappedLength: wholePages(end, pageSize), byteOffset, byteLength }
}

function wholePages(byteLength: number, pageSize: number): number {
  return Math.ceil(byteLength / pageSize) * pageSize
}

/**
 * The map that is meant, by index or name.
 * @throws DMA_NO_MAP where there is none, or nothing behind it; DMA_AMBIGUOUS where several have the name
 */
export function findMap(info: UioDeviceInfo, which: number | string): UioMapInfo {
  const found = info.maps.filter((map) => (typeof which === 'string' ? map.name : map.index) === which)
  const [map, other] = found
  if (map === undefined) throw noMap(info, which)
  if (other !== undefined) {
    throw new DmaError('DMA_AMBIGUOUS', `several maps of ${info.node} are called '${String(which)}'`, {
      hint: `take one by its index: ${found.map(({ index }) => index).join(', ')}`,
    })
  }
  if (map.addressKind !== 'none' && map.byteLength > 0) return map
  throw new DmaError('DMA_NO_MAP', `there is nothing behind map ${map.index} of ${info.node} now`, {
    hint: "its driver could not allocate it when the device was opened: 'dmesg | tail' tells more",
  })
}

function noMap({ node, name, maps, pci }: UioDeviceInfo, which: unknown): DmaError {
  const label = typeof which === 'string' ? `called '${which}'` : `${String(which)}`
  const list = maps.map((map) => `${map.index}${map.name === '' ? '' : ` '${map.name}'`}`).join(', ')
  const bars = pci === undefined ? '' : '; BARs that it hides are reached by bar(index)'
  return new DmaError('DMA_NO_MAP', `${node} (${name}) has no map ${label}`, {
    hint: `it has ${list || 'none'}${bars}`,
  })
}
