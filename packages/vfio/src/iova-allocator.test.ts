import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IovaAllocator } from './iova-allocator'

const PAGE = 4096
const ranges = [
  { first: 0n, last: 0xfedf_ffffn },
  { first: 0xfef0_0000n, last: 0x7f_ffff_ffffn },
]
const reserved = (start: number, end: number) => start < 0xfef0_0000 && end > 0xfee0_0000

const operation = fc.oneof(
  fc.record({
    verb: fc.constant('allocate' as const),
    pages: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 500, max: 5000 })),
    bits: fc.constantFrom(20, 24, 28, 32, 36, 64),
  }),
  fc.record({ verb: fc.constant('release' as const), which: fc.nat() }),
)

describe('the IOVA allocator', () => {
  it('hands out ranges that are apart, below the mask, outside the holes, and takes them all back', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const allocator = new IovaAllocator(ranges, PAGE)
        const everything = 1n << 64n
        const free = allocator.freeBytes(everything)
        const live: { start: number; size: number }[] = []
        const release = (index: number) => {
          const [gone] = live.splice(index, 1)
          allocator.release(gone!.start, gone!.size)
        }
        for (const step of operations) {
          if (step.verb === 'release') {
            if (live.length > 0) release(step.which % live.length)
            continue
          }
          const size = step.pages * PAGE
          const mask = (1n << BigInt(step.bits)) - 1n
          let start: number
          try {
            start = allocator.allocate(size, mask)
          } catch (error) {
            expect(error).toMatchObject({ code: 'ENOSPC' })
            continue
          }
          const end = start + size
          expect(start % 4096).toBe(0)
          expect(start).toBeGreaterThan(0)
          expect(BigInt(end - 1) <= mask).toBe(true)
          expect(reserved(start, end)).toBe(false)
          for (const other of live) expect(start >= other.start + other.size || end <= other.start).toBe(true)
          live.push({ start, size })
        }
        while (live.length > 0) release(0)
        expect(allocator.freeBytes(everything)).toBe(free)
        // All of it is one piece again: the longest that fits a range can be had.
        expect(allocator.allocate(0xfec0_0000, 0xfedf_ffffn)).toBe(0x20_0000)
      }),
    )
  })

  it('aligns what is large where there is room, and gives what room there is where there is not', () => {
    const allocator = new IovaAllocator(ranges, PAGE)
    expect(allocator.allocate(0x20_0000, 0xffff_ffffn) % 0x20_0000).toBe(0)
    // All that 28 address bits reach, but for page 0.
    expect(allocator.allocate(2 ** 28 - PAGE, 0xfff_ffffn)).toBe(PAGE)
    expect(() => allocator.allocate(PAGE, 0xfff_ffffn)).toThrow(/ENOSPC/)
  })

  it('notices a range that is released twice', () => {
    const allocator = new IovaAllocator(ranges, PAGE)
    const start = allocator.allocate(PAGE, 0xffff_ffffn)
    allocator.release(start, PAGE)
    expect(() => allocator.release(start, PAGE)).toThrow(/DMA_NOT_MAPPED/)
  })

  it('knows which masks reach nothing', () => {
    expect(IovaAllocator.reaches(ranges, PAGE, 0xfffn)).toBe(false)
    expect(IovaAllocator.reaches(ranges, PAGE, 0x1fffn)).toBe(true)
    expect(IovaAllocator.reaches([{ first: 1n << 32n, last: 1n << 33n }], PAGE, 0xffff_ffffn)).toBe(false)
  })

  it('never gives an address that a double cannot hold', () => {
    const allocator = new IovaAllocator([{ first: 0n, last: 0xffff_ffff_ffff_ffffn }], PAGE)
    expect(allocator.allocate(PAGE, 0xffff_ffff_ffff_ffffn)).toBe(2 ** 53 - 4096)
  })
})
