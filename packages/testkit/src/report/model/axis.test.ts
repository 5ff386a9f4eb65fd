import { describe, expect, it } from 'vitest'
import { sampleTrace } from '../../fixtures/sample-trace'
import { bestAxis, firstAt, layOut } from './axis'
import { formatTime, ticksOf } from './ticks'

const at = (times: readonly number[]) =>
  sampleTrace(times.map((time) => ({ kind: 'note', message: '', time }))).events

describe('the axis', () => {
  it('by step has every event beside the one before, and room where time went on', () => {
    const { positions } = layOut(at([0, 0, 0, 10, 10, 1000]), 'step')
    const steps = [...positions].slice(1).map((position, i) => position - positions[i]!)
    expect(steps.filter((step) => step === 1)).toHaveLength(3)
    expect(steps[2]).toBeGreaterThan(1)
    expect(steps[4]).toBeGreaterThan(steps[2]!)
  })

  it('by time has them where the clock had them', () => {
    const axis = layOut(at([2, 2, 5]), 'time')
    expect([...axis.positions]).toEqual([2, 2, 5])
    expect([firstAt(axis, 0), firstAt(axis, 2.5), firstAt(axis, 6)]).toEqual([0, 2, 3])
  })

  it('is by step where most events share their time', () => {
    expect(bestAxis(at([0, 0, 0, 4, 4]))).toBe('step')
    expect(bestAxis(at([0, 1, 2, 3, 4]))).toBe('time')
  })

  it('ends somewhere, also with one event, or none', () => {
    for (const kind of ['step', 'time'] as const) {
      for (const times of [[], [7]]) expect(layOut(at(times), kind).end).toBeGreaterThan(0)
    }
  })
})

describe('times', () => {
  it('are in the unit that reads best', () => {
    expect([0, 0.001, 0.25, 1.5, 999, 1500, 100.025, 2200.241].map(formatTime)).toEqual([
      ...['0 ms', '1 µs', '250 µs', '1.5 ms', '999 ms', '1.5 s', '100.025 ms', '2.200241 s'],
    ])
  })

  it('stand at round numbers, far enough apart', () => {
    const events = at([0, 100])
    const ticks = ticksOf(layOut(events, 'time'), events, 0, 100, 15)
    expect(ticks.map(({ label }) => label)).toEqual(['0 ms', '20 ms', '40 ms', '60 ms', '80 ms', '100 ms'])
  })

  it('stand where time went on, if events are laid out by step', () => {
    const events = at([0, 0, 0, 10, 10, 20])
    const axis = layOut(events, 'step')
    expect(ticksOf(axis, events, 0, axis.end, 1).map(({ label }) => label)).toEqual([
      '0 ms',
      '10 ms',
      '20 ms',
    ])
    expect(ticksOf(axis, events, 0, axis.end, 100)).toHaveLength(1)
  })
})
