import { type Axis, type AxisKind, bestAxis, layOut } from '../model/axis'
import { eventGroups } from '../model/event-text'
import { type Filter, matcher } from '../model/filter'
import type { Row } from '../model/rows'
import type { Timeline } from '../model/timeline'

/** Nobody needs to see less than this many units of the axis at once. */
const CLOSEST = { step: 2, time: 0.0005 }

/** What is looked at: which part, which event, which of them. All that is shown follows from it and from the timeline. */
export class ReportView {
  readonly timeline: Timeline
  axis: Axis
  /** What is seen of the axis. */
  from = 0
  to = 1
  /** Index of the event that is looked at. */
  selected: number | undefined
  filter: Filter = { text: '', device: undefined, groups: new Set(eventGroups) }
  /** Whether each event is one of those that the filter lets through. */
  matched: Uint8Array
  /** Rows that have such an event. */
  rows: readonly Row[] = []
  /** Indices of those events. */
  listed: readonly number[] = []
  readonly #listeners: (() => void)[] = []
  #pending = false

  constructor(timeline: Timeline) {
    this.timeline = timeline
    this.axis = layOut(timeline.trace.events, bestAxis(timeline.trace.events))
    this.matched = new Uint8Array(timeline.trace.events.length)
    this.setFilter(this.filter)
    this.fit()
  }

  /** Calls `listener` once for any number of changes, before the next frame. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  changed(): void {
    if (this.#pending) return
    this.#pending = true
    requestAnimationFrame(() => {
      this.#pending = false
      for (const listener of this.#listeners) listener()
    })
  }

  setFilter(filter: Filter): void {
    this.filter = filter
    const { trace, rows, problemsAt } = this.timeline
    const matches = matcher(filter)
    const listed: number[] = []
    trace.events.forEach((event, i) => {
      const match = matches(event, problemsAt.has(i))
      this.matched[i] = match ? 1 : 0
      if (match) listed.push(i)
    })
    this.listed = listed
    const kept = rows.filter(({ events }) => events.some((i) => this.matched[i] === 1))
    const devices = new Set(kept.map(({ device }) => device))
    this.rows = rows.filter((row) => (row.kind === 'device' ? devices.has(row.device) : kept.includes(row)))
    this.changed()
  }

  /** Shows all there is. */
  fit(): void {
    const { start, end } = this.extent
    this.show(start, end)
  }

  /** All there is to see, with a little room at both ends. */
  get extent(): { start: number; end: number } {
    const first = this.axis.positions[0] ?? 0
    const margin = Math.max((this.axis.end - first) * 0.015, CLOSEST[this.axis.kind] / 4)
    return { start: first - margin, end: this.axis.end + margin }
  }

  /** Shows a part, or as much of it as there is. */
  show(from: number, to: number): void {
    const { start, end } = this.extent
    const width = Math.min(Math.max(to - from, CLOSEST[this.axis.kind]), end - start)
    const middle = (from + to) / 2
    this.from = Math.min(Math.max(middle - width / 2, start), end - width)
    this.to = this.from + width
    this.changed()
  }

  /** Shows `factor` times as much, with `around` staying where it is. */
  zoom(factor: number, around = this.#middle()): void {
    const width = this.to - this.from
    const { start, end } = this.extent
    const next = Math.min(Math.max(width * factor, CLOSEST[this.axis.kind]), end - start)
    const from = around - ((around - this.from) / width) * next
    this.show(from, from + next)
  }

  /** Moves on by a share of what is seen. */
  pan(share: number): void {
    const width = this.to - this.from
    this.show(this.from + share * width, this.to + share * width)
  }

  setAxis(kind: AxisKind): void {
    this.axis = layOut(this.timeline.trace.events, kind)
    this.fit()
  }

  /** Looks at an event, which comes into view where it is not in it. */
  select(index: number | undefined): void {
    this.selected = index
    if (index !== undefined) {
      const position = this.axis.positions[index]!
      const width = this.to - this.from
      if (position < this.from || position > this.to) this.show(position - width / 2, position + width / 2)
    }
    this.changed()
  }

  /** The next event of those listed, or the one before. */
  step(by: 1 | -1): void {
    const { listed, selected } = this
    const first = by === 1 ? 0 : listed.length - 1
    const at = selected === undefined ? -1 : nearest(listed, selected, by)
    this.select(listed[selected === undefined ? first : at] ?? selected)
  }

  /** The next problem, or the one before. After the last comes the first. */
  stepProblem(by: 1 | -1): void {
    const indices = [...this.timeline.problemsAt.keys()]
    if (indices.length === 0) return
    const { selected } = this
    const at = selected === undefined ? -1 : nearest(indices, selected, by)
    this.goTo(indices[at] ?? indices.at(by === 1 ? 0 : -1)!)
  }

  /** Looks at an event from near: with what was around it. */
  goTo(index: number): void {
    const { positions, kind } = this.axis
    const around = kind === 'step' ? 22 : Math.max((this.extent.end - this.extent.start) / 20, 0.05)
    if (this.to - this.from > around)
      this.show(positions[index]! - around / 2, positions[index]! + around / 2)
    if (this.matched[index] === 0)
      this.setFilter({ text: '', device: undefined, groups: new Set(eventGroups) })
    this.select(index)
  }

  #middle(): number {
    const chosen = this.selected === undefined ? undefined : this.axis.positions[this.selected]!
    return chosen !== undefined && chosen >= this.from && chosen <= this.to
      ? chosen
      : (this.from + this.to) / 2
  }
}

/** Where in rising numbers the first beyond `value` is, in the direction of `by`; outside of them where there is none. */
function nearest(indices: readonly number[], value: number, by: 1 | -1): number {
  return by === 1 ? indices.findIndex((i) => i > value) : indices.findLastIndex((i) => i < value)
}
