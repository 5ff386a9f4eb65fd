import fc from 'fast-check'
import { expect, it } from 'vitest'
import { endOfRun, PageRuns } from './page-runs'

const PAGE = 4096

it('has every page that was included, and in few runs no fewer', () => {
  const part = fc.record({ start: fc.nat(400 * PAGE), length: fc.integer({ min: 1, max: 3 * PAGE }) })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 60 }), (parts) => {
      const runs = new PageRuns(PAGE)
      const pages = new Set<number>()
      for (const { start, length } of parts) {
        runs.include(start, start + length)
        for (let page = Math.floor(start / PAGE); page * PAGE < start + length; page++) pages.add(page)
      }
      const exact = runs.exact()
      const covered = exact.flatMap(({ start, end }) =>
        Array.from({ length: (end - start) / PAGE }, (_, i) => start / PAGE + i),
      )
      expect(covered).toEqual([...pages].sort((a, b) => a - b))
      const few = runs.few()
      expect(few.length).toBeLessThanOrEqual(Math.min(exact.length, 8))
      for (const { start, end } of exact) {
        expect(few.some((run) => run.start <= start && run.end >= end)).toBe(true)
        expect(endOfRun(exact, start)).toBe(end)
        expect(endOfRun(few, end - 1)).toBeGreaterThanOrEqual(end)
      }
      for (const [i, run] of few.slice(1).entries()) expect(run.start).toBeGreaterThan(few[i]!.end)
    }),
  )
})
