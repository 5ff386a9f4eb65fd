import { describe, expect, it } from 'vitest'
import type { UioDeviceInfo, UioMapInfo } from '../discovery/uio-device-info'
import { findMap, mapRange } from './map-range'

const PAGE = 4096
const map = (fields: Partial<UioMapInfo>): UioMapInfo => ({
  index: 0,
  name: '',
  address: 0xfe00_0000n,
  addressKind: 'registers',
  byteLength: PAGE,
  byteOffset: 0,
  ...fields,
})

describe('mapRange', () => {
  it('maps whole pages of a map from their start', () => {
    expect(mapRange(map({ index: 2, byteLength: 5000 }), PAGE)).toEqual({
      position: 2 * PAGE,
      mappedLength: 2 * PAGE,
      byteOffset: 0,
      byteLength: 5000,
    })
  })

  it('begins at the offset, and takes no page for it that the map does not have', () => {
    const within = mapRange(map({ byteOffset: 0x40, byteLength: 5000 }), PAGE)
    expect(within).toMatchObject({ mappedLength: 2 * PAGE, byteOffset: 0x40, byteLength: 5000 })
    // The size counts from the page on, as that of uio_pci_generic's maps does.
    const cut = mapRange(map({ byteOffset: 0x100, byteLength: PAGE }), PAGE)
    expect(cut).toMatchObject({ mappedLength: PAGE, byteOffset: 0x100, byteLength: PAGE - 0x100 })
  })

  it('counts the pages that an address within one touches', () => {
    const range = mapRange(map({ address: 0xfe00_0f00n, byteOffset: 0xf00, byteLength: 0x200 }), PAGE)
    expect(range).toMatchObject({ mappedLength: 2 * PAGE, byteOffset: 0xf00, byteLength: 0x200 })
  })
})

describe('findMap', () => {
  const info = {
    node: 'uio0',
    name: 'frame-grabber',
    maps: [
      map({ name: 'registers' }),
      map({ index: 1, name: 'ring' }),
      map({ index: 2, name: 'ring' }),
      map({ index: 3, name: 'lost', addressKind: 'none' }),
    ],
  } as unknown as UioDeviceInfo
  const code = (which: number | string) => {
    try {
      return findMap(info, which).index
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it('finds by index and by a name that one map has', () => {
    expect(['registers', 1, 2].map(code)).toEqual([0, 1, 2])
    expect(code('ring')).toBe('DMA_AMBIGUOUS')
    expect(['lost', 3, 4, 'rings', '0'].map(code)).toEqual(Array(5).fill('DMA_NO_MAP'))
  })
})
