import { describe, expect, it } from 'vitest'
import { SgTable } from './sg-table'

const present = 1n << 63n
/** Of a file or shared memory, mapped once, written to since: bits that say nothing of where the page is. */
const flags = (1n << 61n) | (1n << 56n) | (1n << 55n) | (1n << 57n)

describe('SgTable.fromPagemap', () => {
  it('lists the frames, whatever else their entries say', () => {
    const entries = BigUint64Array.of(present | 8n, present | flags | 9n, present | 0xffff_fff0n)
    const table = SgTable.fromPagemap(entries, { byteOffset: 16, byteLength: 9000 })
    expect(Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])).toEqual([
      [8, 16, 8176],
      [0xffff_fff0, 0, 824],
    ])
  })

  it('reads entries from the middle of a buffer', () => {
    const entries = BigUint64Array.of(0n, present | 3n, 0n).subarray(1, 2)
    expect(SgTable.fromPagemap(entries).pageAt(0)).toBe(3)
  })

  it.each<[string, bigint, RegExp]>([
    ['a page that is not there', 0n, /was never touched/],
    ['one that is not there, with a number', 77n, /was never touched/],
    ['one that is swapped out', (1n << 62n) | 77n, /is swapped out/],
    ['one that says both', present | (1n << 62n) | 77n, /is swapped out/],
    ['a frame that is not told', present | flags, /does not tell the frame/],
    ['a frame of more than 32 bits', present | (1n << 32n), /frame 0x100000000 has more than the 32 bits/],
    [
      'the highest frame that an entry can hold',
      present | 0x7f_ffff_ffff_ffffn,
      /frame 0x7fffffffffffff has/,
    ],
  ])('refuses %s', (_what, entry, message) => {
    expect(() => SgTable.fromPagemap(BigUint64Array.of(present | 5n, entry))).toThrow(/DMA_NO_FRAME: entry 1/)
    expect(() => SgTable.fromPagemap(BigUint64Array.of(present | 5n, entry))).toThrow(message)
  })

  it('refuses what is no list of entries', () => {
    expect(() => SgTable.fromPagemap(new Uint32Array(2) as never)).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => SgTable.fromPagemap(new BigUint64Array(0))).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => SgTable.fromPagemap(BigUint64Array.of(present | 5n), { memory: 1 } as never)).toThrow(
      'DMA_INVALID_ARGUMENT',
    )
  })

  it('has no bytes for the CPU', () => {
    const table = SgTable.fromPagemap(BigUint64Array.of(present | 5n))
    for (const use of [
      () => table.bytesAt(0),
      () => table.copyToBuffer(new Uint8Array(1)),
      () => table.zero(),
    ]) {
      expect(use).toThrow('DMA_NO_CPU_VIEW')
    }
  })
})
