import type { TraceEvent } from '../../trace/trace-event'
import { describeEvent, type EventGroup, groupOf } from './event-text'
import { placeOf } from './place'

/** What one wants to see. */
export interface Filter {
  /** Words, or an address: `0xfff040` finds all that is about that byte. */
  readonly text: string
  /** Empty for all. */
  readonly device: string | undefined
  readonly groups: ReadonlySet<EventGroup>
}

/** Whether an event is what one wants to see. `hazard`: it is a problem beside what it is itself. */
export function matcher(filter: Filter): (event: TraceEvent, hazard: boolean) => boolean {
  const words = filter.text.trim().toLowerCase()
  const byText = /^0x[0-9a-f]+$/.test(words) ? byAddress(words) : byWords(words)
  return (event, hazard) => {
    if (filter.device !== undefined && event.device !== filter.device) return false
    if (!filter.groups.has(groupOf(event)) && !(hazard && filter.groups.has('problem'))) return false
    return byText(event)
  }
}

function byAddress(words: string): (event: TraceEvent) => boolean {
  const address = Number(words)
  const inText = byWords(words)
  return (event) => {
    const place = placeOf(event)
    return place ? place.start <= address && address < place.end : inText(event)
  }
}

function byWords(words: string): (event: TraceEvent) => boolean {
  if (words === '') return () => true
  return (event) => {
    const more = 'message' in event ? event.message : ''
    const site = 'at' in event && event.at !== undefined ? event.at : ''
    return `${event.kind} ${describeEvent(event)} ${event.device} ${more} ${site}`
      .toLowerCase()
      .includes(words)
  }
}
