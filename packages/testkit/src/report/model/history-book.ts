import type { DmaEvent, TraceEvent } from '../../trace/trace-event'
import { withoutCode } from './event-text'
import { beginHistory, continueHistory, type MappingHistory } from './mapping-history'
import { contains, overlap, type Place, placeOf } from './place'
import { byteRange, type Problem } from './problem'

/** What became of every mapping, and what went wrong, filled in event by event. */
export class HistoryBook {
  readonly mappings: MappingHistory[] = []
  readonly problems: Problem[] = []
  /** For each event the mappings whose bytes it is about. */
  readonly touched: (readonly MappingHistory[])[] = []
  readonly #devices: string[] = []
  readonly #live = new Map<number, MappingHistory>()
  /** The latest to have ended comes first. */
  readonly #ended: MappingHistory[] = []

  add(event: TraceEvent, index: number): void {
    const touched = this.#touchedBy(event, index)
    this.touched.push(touched)
    this.#devices.push(event.device)
    for (const history of touched) history.events.push(index)
    const place = placeOf(event)
    if (event.kind === 'misuse') this.#problem('misuse', index, withoutCode(event.message), place)
    if (event.kind === 'fault') this.#problem('fault', index, faultText(event), place)
    if (event.kind === 'dma') this.#judge(event, index, place!, touched)
  }

  #touchedBy(event: TraceEvent, index: number): readonly MappingHistory[] {
    if (event.kind === 'map' || event.kind === 'sync' || event.kind === 'unmap') {
      let history = event.kind === 'map' ? undefined : this.#live.get(event.mapping)
      if (!history) {
        history = beginHistory(event, index)
        this.mappings.push(history)
        this.#live.set(event.mapping, history)
      }
      if (event.kind !== 'map') continueHistory(history, event, index)
      if (event.kind === 'unmap') this.#end(history)
      return [history]
    }
    const place = placeOf(event)
    return place ? this.#at(event.device, place) : []
  }

  #end(history: MappingHistory): void {
    this.#live.delete(history.mapping)
    this.#ended.unshift(history)
    // An access that comes later than that is nobody's any more, and looking further costs more than it tells.
    if (this.#ended.length > 256) this.#ended.pop()
  }

  /** The tightest live mapping that holds all of it, else all that hold some, else the latest that did. */
  #at(device: string, place: Place): readonly MappingHistory[] {
    const some: MappingHistory[] = []
    let tightest: MappingHistory | undefined
    for (const history of this.#live.values()) {
      // Whoever reports a misuse does not always know whose it is.
      if ((device !== '' && history.device !== device) || !overlap(history.place, place)) continue
      some.push(history)
      if (contains(history.place, place) && (!tightest || length(history) < length(tightest))) {
        tightest = history
      }
    }
    if (tightest) return [tightest]
    if (some.length > 0) return some
    const before = [...this.#live.values()].find(
      (history) => history.device === device && history.place.end === place.start,
    )
    // What begins where a mapping ends is mostly meant for it.
    if (before) return [before]
    const last = this.#ended.find((history) => history.device === device && overlap(history.place, place))
    return last ? [last] : []
  }

  /** An access that nothing refused: was it one that the driver had allowed for? */
  #judge(event: DmaEvent, index: number, place: Place, touched: readonly MappingHistory[]): void {
    const did = event.access === 'read' ? 'read' : 'wrote'
    for (const history of touched.filter((one) => overlap(one.place, place))) {
      const start = Math.max(place.start, history.place.start) - history.place.start
      const end = Math.min(place.end, history.place.end) - history.place.start
      const name = `mapping ${history.mapping}`
      if (history.to !== undefined) {
        const title = `the device ${did} ${byteRange(start, end)} of ${name} after its unmap`
        this.#problem('hazard', index, title, place)
        continue
      }
      for (const part of history.ownership.ownedBy('cpu', start, end)) {
        const title = `the device ${did} ${byteRange(part.start, part.end)} of ${name} while the CPU owned them`
        const { start: base } = history.place
        this.#problem('hazard', index, title, { start: base + part.start, end: base + part.end })
      }
    }
    this.#judgeEnds(event, index, place, touched)
  }

  /** Past the last byte, or before the first: the IOMMU refuses that only at the end of a page. */
  #judgeEnds(event: DmaEvent, index: number, place: Place, touched: readonly MappingHistory[]): void {
    const live = touched.filter(({ to }) => to === undefined)
    if (live.length !== 1 || contains(live[0]!.place, place)) return
    const { place: whole, mapping } = live[0]!
    const inside = Math.max(0, Math.min(place.end, whole.end) - Math.max(place.start, whole.start))
    const beyond = place.end - place.start - inside
    const did = event.access === 'read' ? 'read' : 'wrote'
    const where = place.start === whole.end ? 'right behind' : 'outside of'
    const title = `the device ${did} ${beyond} bytes ${where} mapping ${mapping}`
    this.#problem('hazard', index, title, place)
  }

  #problem(severity: Problem['severity'], index: number, title: string, place: Place | undefined): void {
    const device = this.touched[index]![0]?.device ?? this.#devices[index]!
    this.problems.push({ severity, index, device, title, place })
  }
}

function length({ place }: MappingHistory): number {
  return place.end - place.start
}

function faultText(event: { access: string; byteLength: number; address: string }): string {
  return `the IOMMU refused a ${event.access} of ${event.byteLength} bytes at ${event.address}`
}
