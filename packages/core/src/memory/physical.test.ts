import type { Kernel } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toNumber } from '../vocabulary/address'
import { allocateDmaMemory } from './allocate-memory'
import { readPageFrames } from './pagemap'
import { physicalAddressAt, readFrames } from './physical'
import { lastPhysicalAddress } from './physical-memory'

const PRESENT = 1n << 63n
const SWAPPED = 1n << 62n
const PAGE = 4096

/** A kernel whose pagemap is what a function says of each page number. */
function pagemap(entryOf: (page: number) => bigint, limit = Number.POSITIVE_INFINITY) {
  const calls: number[] = []
  const kernel = {
    pageSize: PAGE,
    readPagemap(address: number, entries: BigUint64Array) {
      calls.push(entries.length)
      const count = Math.min(entries.length, limit)
      for (let i = 0; i < count; i++) entries[i] = entryOf(address / PAGE + i)
      return count
    },
  } as unknown as Kernel
  return { kernel, calls }
}

describe('readPageFrames', () => {
  it('takes all 55 bits of a frame number, and none of the flags', () => {
    const frame = fc.bigInt({ min: 1n, max: BigInt(Number.MAX_SAFE_INTEGER) })
    fc.assert(
      fc.property(fc.array(fc.tuple(frame, fc.bigInt({ min: 0n, max: 63n })), { minLength: 1 }), (pages) => {
        // Bits 55 to 61, of which 62 is not one.
        const { kernel } = pagemap((page) => PRESENT | (pages[page - 7]![1] << 55n) | pages[page - 7]![0])
        const frames = new Float64Array(pages.length)
        expect(readPageFrames(kernel, 7 * PAGE, pages.length, frames)).toBeUndefined()
        expect([...frames]).toEqual(pages.map(([number]) => Number(number)))
      }),
    )
  })

  it('reads many pages in few calls, each with its own address', () => {
    const count = 2 * 65_536 + 10
    const { kernel, calls } = pagemap((page) => PRESENT | BigInt(page * 3))
    const frames = new Float64Array(count + 1)
    expect(readPageFrames(kernel, 5 * PAGE, count, frames)).toBeUndefined()
    expect(calls).toEqual([65_536, 65_536, 10])
    expect(frames.subarray(0, count).every((frame, index) => frame === (index + 5) * 3)).toBe(true)
    expect(frames[count]).toBe(0)
  })

  it.each([
    ['absent', 0n],
    ['absent', 5n],
    ['absent', SWAPPED | 5n],
    ['absent', PRESENT | SWAPPED | 5n],
    ['hidden', PRESENT],
    ['hidden', PRESENT | (1n << 61n) | (1n << 55n)],
  ] as const)('takes no address from a page that is %s: %s', (problem, entry) => {
    const { kernel } = pagemap((page) => (page === 70_000 ? entry : PRESENT | 1n))
    const frames = new Float64Array(80_000)
    expect(readPageFrames(kernel, 0, 80_000, frames)).toEqual({ page: 70_000, problem })
    expect(frames[70_000]).toBe(0)
  })

  it('refuses a number that does not fit, and an answer that is too short', () => {
    const { kernel } = pagemap((page) => PRESENT | (page === 3 ? 1n << 32n : 0xffff_ffffn))
    expect(readPageFrames(kernel, 0, 8, new Uint32Array(8))).toEqual({ page: 3, problem: 'too large' })
    expect(readPageFrames(kernel, 0, 8, new Float64Array(8))).toBeUndefined()
    const short = pagemap(() => PRESENT | 1n, 5)
    expect(readPageFrames(short.kernel, 0, 8, new Float64Array(8))).toEqual({ page: 5, problem: 'absent' })
  })
})

describe('readFrames', () => {
  /** Memory of the fake whose pagemap is changed on its way. */
  function memoryWith(change: (entries: BigUint64Array, call: number) => void) {
    const { kernel } = createFakeMachine()
    let call = 0
    const changed: Kernel = new Proxy(kernel, {
      get(target, name) {
        if (name === 'readPagemap') {
          return (address: number, entries: BigUint64Array) => {
            const count = target.readPagemap(address, entries)
            change(entries, ++call)
            return count
          }
        }
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const memory = allocateDmaMemory({ byteLength: 8 * PAGE, kernel: changed })
    memory.pin()
    return { memory, calls: () => call }
  }

  it('looks at pages that are not there, and asks again', () => {
    const { memory, calls } = memoryWith((entries, call) => {
      if (call < 3) entries[entries.length - 1] = call === 1 ? 0n : SWAPPED
    })
    expect(readFrames(memory).every((frame) => frame > 0)).toBe(true)
    expect(calls()).toBe(3)
  })

  it('gives up on a page that stays away', () => {
    const { memory } = memoryWith((entries) => {
      entries[5] = 0n
    })
    expect(() => readFrames(memory)).toThrow(/DMA_NO_FRAME: page 5 .* not in memory/)
  })

  it('never takes frame 0 for an address', () => {
    const { memory, calls } = memoryWith((entries) => {
      entries[0] = PRESENT
    })
    expect(() => physicalAddressAt(memory, 3 * PAGE)).toThrow(
      /DMA_NO_FRAME: page 3 at|DMA_NO_FRAME: page 3 of/,
    )
    expect(calls()).toBe(1)
  })

  it('says which array holds large numbers', () => {
    const { memory } = memoryWith((entries) => {
      entries[2] = PRESENT | (1n << 34n)
    })
    expect(() => readFrames(memory, {}, new Uint32Array(8))).toThrow(/DMA_ADDRESS_RANGE.*\n.*Float64Array/)
    expect(toNumber(physicalAddressAt(memory, 0))).toBeGreaterThan(0)
    expect(readFrames(memory)[2]).toBe(2 ** 34)
  })
})

describe('lastPhysicalAddress', () => {
  it('is the end of the highest zone that spans anything', () => {
    const text = [
      'Node 0, zone      DMA\n  pages free     2816\n        spanned  4095\n  start_pfn:           1\n',
      'Node 0, zone   Normal\n        spanned  5505024\n        present  5505024\n  start_pfn:           1048576\n',
      'Node 1, zone   Normal\n        spanned  256\n  start_pfn:           1099511627776\n',
      'Node 1, zone  Movable\n        spanned  0\n        present  0\n',
    ]
    const last = (zones: string[]) =>
      lastPhysicalAddress({ pageSize: PAGE, readText: () => zones.join('') } as unknown as Kernel)
    expect(last(text)).toBe((1_099_511_627_776 + 256) * PAGE - 1)
    expect(last(text.slice(0, 2))).toBe((5_505_024 + 1_048_576) * PAGE - 1)
    expect(last([])).toBe(-1)
  })
})
