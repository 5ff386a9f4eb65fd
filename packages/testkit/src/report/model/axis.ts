import type { TraceEvent } from '../../trace/trace-event'

/**
 * How the events lie from left to right. By `time`, as the clock has it; or by `step`, each event beside the one before: on a machine whose
 * time stands still while the program computes, most events have the time of their neighbours.
 */
export type AxisKind = 'time' | 'step'

/** Where time goes on between two steps, so much room is left, or more for longer. */
const PAUSE = 0.75

/** Positions of events, which never go down. */
export interface Axis {
  readonly kind: AxisKind
  readonly positions: Float64Array
  /** Where everything that lasts still ends. */
  readonly end: number
}

/** Lays the events out. */
export function layOut(events: readonly TraceEvent[], kind: AxisKind): Axis {
  const positions = new Float64Array(events.length)
  let last = 0
  events.forEach(({ time }, i) => {
    const gap = i === 0 ? 0 : Math.max(0, time - events[i - 1]!.time)
    if (kind === 'time') last = i === 0 ? time : last + gap
    else if (i > 0) last += 1 + pauseOf(gap)
    positions[i] = last
  })
  return { kind, positions, end: last + (kind === 'time' ? tail(positions) : 1) }
}

/** By time where events have times of their own, by steps where most of them share one. */
export function bestAxis(events: readonly TraceEvent[]): AxisKind {
  let apart = 0
  for (let i = 1; i < events.length; i++) if (events[i]!.time - events[i - 1]!.time > 0.01) apart++
  return apart * 2 > events.length ? 'time' : 'step'
}

/** The first event at or behind a position; the number of events where there is none. */
export function firstAt({ positions }: Axis, position: number): number {
  let low = 0
  let high = positions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (positions[middle]! < position) low = middle + 1
    else high = middle
  }
  return low
}

/** More for a second than for a microsecond, but not a million times more. */
function pauseOf(gap: number): number {
  return gap > 0.01 ? PAUSE + Math.log10(1 + gap) : 0
}

/** The last event needs some width too. */
function tail(positions: Float64Array): number {
  const all = (positions.at(-1) ?? 0) - (positions[0] ?? 0)
  return all > 0 ? all / 50 : 1
}
