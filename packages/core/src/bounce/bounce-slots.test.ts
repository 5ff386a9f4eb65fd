import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BounceSlots, Slot, type SlotPlacement } from './bounce-slots'

const anywhere: SlotPlacement = { stride: 1, phase: 0, boundary: Number.POSITIVE_INFINITY }

interface Run {
  head: number
  count: number
}

/** Whether a run may lie at a slot, said the slow way: from addresses, one slot after the other. */
function fits(head: number, run: number, place: SlotPlacement, base: number, total: number, live: Run[]) {
  const { stride, phase, boundary } = place
  if ((base + head) % stride !== phase) return false
  for (let slot = head; slot < head + run; slot++) {
    if (slot >= total) return false
    if (live.some(({ head, count }) => slot >= head && slot < head + count)) return false
    if (Math.floor(slot / Slot.PerSegment) !== Math.floor(head / Slot.PerSegment)) return false
    if (boundary === Number.POSITIVE_INFINITY) continue
    if (Math.floor((base + slot) / boundary) !== Math.floor((base + head) / boundary)) return false
  }
  return true
}

const placement = fc.integer({ min: 0, max: 5 }).chain((log) =>
  fc.record({
    stride: fc.constant(2 ** log),
    phase: fc.integer({ min: 0, max: 2 ** log - 1 }),
    boundary: fc.oneof(
      fc.constant(Number.POSITIVE_INFINITY),
      fc.integer({ min: 1, max: 9 }).map((bits) => 2 ** bits),
    ),
  }),
)
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ count: fc.integer({ min: 1, max: 128 }), placement }) },
  { weight: 3, arbitrary: fc.record({ count: fc.integer({ min: 1, max: 5 }), placement }) },
  { weight: 4, arbitrary: fc.record({ release: fc.nat() }) },
)

describe('slots of a bounce buffer', () => {
  it('are found wherever a slow search finds them, first from where the last one ended', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        // Pages: 4 KiB are two slots.
        fc.oneof(fc.nat({ max: 1000 }), fc.constant(2 ** 40)).map((pages) => pages * 2),
        fc.array(operation, { maxLength: 120 }),
        (segments, base, operations) => {
          const total = segments * Slot.PerSegment
          const slots = new BounceSlots(total, base)
          const live: Run[] = []
          let next = 0
          let most = 0
          for (const step of operations) {
            if ('release' in step) {
              const [gone] = live.splice(step.release % Math.max(live.length, 1), 1)
              if (gone) slots.release(gone.head)
            } else {
              const { count, placement } = step
              const order = Array.from({ length: total }, (_, i) => (next + i) % total)
              const expected = order.find((head) => fits(head, count, placement, base, total, live)) ?? -1
              expect(slots.take(count, placement)).toBe(expected)
              if (expected >= 0) {
                live.push({ head: expected, count })
                next = expected + count < total ? expected + count : 0
              }
            }
            const used = live.reduce((sum, { count }) => sum + count, 0)
            most = Math.max(most, used)
            expect([slots.used, slots.mostUsed]).toEqual([used, most])
          }
          for (let slot = -1; slot <= total; slot++) {
            const run = live.find(({ head, count }) => slot >= head && slot < head + count)
            expect(slots.headOf(slot)).toBe(run?.head ?? -1)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are whole again after everything was given back, in whatever order', () => {
    const slots = new BounceSlots(2 * Slot.PerSegment, 0)
    const heads = Array.from({ length: 2 * Slot.PerSegment }, () => slots.take(1, anywhere))
    expect(slots.take(1, anywhere)).toBe(-1)
    const odd = heads.filter((head) => head % 2 === 1)
    const even = heads.filter((head) => head % 2 === 0)
    for (const head of [...odd, ...even.reverse()]) slots.release(head)
    expect([slots.take(128, anywhere), slots.take(128, anywhere)].sort()).toEqual([0, 128])
    expect(slots.mostUsed).toBe(256)
  })
})
