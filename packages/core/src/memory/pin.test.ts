import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateDmaMemory } from './allocate-memory'
import { covers, pageRange } from './pin'

const range = fc
  .tuple(fc.nat(40), fc.integer({ min: 1, max: 12 }))
  .map(([start, length]) => ({ start, end: start + length }))

describe('covers', () => {
  it('says what looking at each byte says', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), range, (ranges, wanted) => {
        let all = true
        for (let byte = wanted.start; byte < wanted.end; byte++) {
          all &&= ranges.some(({ start, end }) => start <= byte && byte < end)
        }
        expect(covers(ranges, wanted)).toBe(all)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('pageRange', () => {
  it('is the fewest whole pages', () => {
    expect(pageRange(0, 1, 4096)).toEqual({ start: 0, end: 4096 })
    expect(pageRange(4095, 2, 4096)).toEqual({ start: 0, end: 8192 })
    expect(pageRange(8192, 4096, 4096)).toEqual({ start: 8192, end: 12_288 })
    expect(pageRange(2 ** 40 + 1, 2 ** 33, 4096)).toEqual({ start: 2 ** 40, end: 2 ** 40 + 2 ** 33 + 4096 })
  })
})

describe('a pin', () => {
  it('is gone from its memory where letting go fails', () => {
    const machine = createFakeMachine()
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
    const pin = memory.pin()
    machine.failCall({ syscall: 'close', nth: 1, code: 'EIO' })
    expect(() => pin.close()).toThrow('EIO')
    expect(memory.isPinned()).toBe(false)
  })

  it('that cannot be had leaves nothing', () => {
    for (const [syscall, code] of [
      ['io_uring_setup', 'EPERM'],
      ['io_uring_setup', 'EMFILE'],
      ['io_uring_register', 'ENOMEM'],
    ] as const) {
      const machine = createFakeMachine()
      const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
      machine.failCall({ syscall, nth: 1, code })
      expect(() => memory.pin()).toThrow(code)
      expect(memory.isPinned()).toBe(false)
      memory.close()
      machine.assertQuiescent()
    }
  })

  it('stops at the memory-lock limit, apart from what mlock and VFIO hold', () => {
    const machine = createFakeMachine({ uid: 1000, memlockLimit: 3 * 4096 })
    const memory = allocateDmaMemory({ byteLength: 8 * 4096, kernel: machine.kernel })
    const first = memory.pin(0, 3 * 4096)
    expect(() => memory.pin(0, 1)).toThrow(/ENOMEM/)
    first.close()
    memory.pin(4096, 1)
    memory.close()
    machine.assertQuiescent()
  })
})
