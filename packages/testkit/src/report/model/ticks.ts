import type { TraceEvent } from '../../trace/trace-event'
import { type Axis, firstAt } from './axis'

/** A mark on the axis. */
export interface Tick {
  readonly position: number
  readonly label: string
}

/** Milliseconds in the unit that reads best: `250 µs`, `1.5 ms`, `2 s`. */
export function formatTime(milliseconds: number): string {
  const size = Math.abs(milliseconds)
  if (size === 0) return '0 ms'
  if (size < 1) return `${round(milliseconds * 1000, 3)} µs`
  if (size < 1000) return `${round(milliseconds, 4)} ms`
  return `${round(milliseconds / 1000, 6)} s`
}

/** Marks for what is seen from `from` to `to`, at least `apart` units from each other. */
export function ticksOf(
  axis: Axis,
  events: readonly TraceEvent[],
  from: number,
  to: number,
  apart: number,
): Tick[] {
  return axis.kind === 'time' ? roundTicks(from, to, apart) : stepTicks(axis, events, from, to, apart)
}

function roundTicks(from: number, to: number, apart: number): Tick[] {
  const power = 10 ** Math.floor(Math.log10(apart))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= apart) ?? power * 10
  const ticks: Tick[] = []
  for (let i = Math.ceil(from / step); i * step <= to; i++) {
    if (i >= 0) ticks.push({ position: i * step, label: formatTime(Number((i * step).toPrecision(12))) })
  }
  return ticks
}

/** Steps have no times between them: marks are where events are, those first before which time went on. */
function stepTicks(
  axis: Axis,
  events: readonly TraceEvent[],
  from: number,
  to: number,
  apart: number,
): Tick[] {
  const ticks: Tick[] = []
  let next = Number.NEGATIVE_INFINITY
  for (let i = firstAt(axis, from); i < events.length && axis.positions[i]! <= to; i++) {
    const position = axis.positions[i]!
    const moved = i === 0 || events[i]!.time > events[i - 1]!.time
    if (position < next || !moved) continue
    ticks.push({ position, label: formatTime(events[i]!.time) })
    next = position + apart
  }
  return ticks
}

/** To what tells two register accesses apart; more digits are noise of binary fractions. */
function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)))
}
