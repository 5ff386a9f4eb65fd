import type { MapEvent, SyncEvent, TraceDirection, TraceFamily, UnmapEvent } from '../../trace/trace-event'
import { type Owner, Ownership } from './ownership'
import type { Place } from './place'

/** One mapping, from its map to its unmap. */
export interface MappingHistory {
  /** Its number in the trace. */
  readonly mapping: number
  readonly device: string
  readonly place: Place
  /** Unknown where the trace begins after the map. */
  readonly direction: TraceDirection | undefined
  readonly family: TraceFamily | undefined
  readonly at: string | undefined
  /** Index of the first event that is known of it, and of the last one where it has ended. */
  readonly from: number
  to: number | undefined
  readonly ownership: Ownership
  /** Indices of all that happened to its bytes: its own events, and what the device did there. */
  readonly events: number[]
}

/** A mapping whose first event this is. Where that is no map, older events were let go. */
export function beginHistory(event: MapEvent | SyncEvent | UnmapEvent, index: number): MappingHistory {
  const start = Number(event.address)
  const known = event.kind === 'map' ? event : undefined
  return {
    mapping: event.mapping,
    device: event.device,
    place: { start, end: start + event.byteLength },
    direction: known?.direction,
    family: known?.family,
    at: known?.at,
    from: known ? index : 0,
    to: undefined,
    ownership: new Ownership(event.byteLength, firstOwner(event), known ? index : 0),
    events: [],
  }
}

/** Takes down a sync or the end. Bytes beyond the mapping are none of its own. */
export function continueHistory(history: MappingHistory, event: SyncEvent | UnmapEvent, index: number): void {
  if (event.kind === 'unmap') {
    history.ownership.end(index)
    history.to = index
    return
  }
  const { start, end } = history.place
  const from = Math.max(Number(event.address), start)
  const to = Math.min(Number(event.address) + event.byteLength, end)
  if (from < to) history.ownership.hand(from - start, to - start, event.for, index)
}

function firstOwner(event: MapEvent | SyncEvent | UnmapEvent): Owner {
  if (event.kind === 'map') return event.family === 'coherent' ? 'both' : 'device'
  // Whoever is given bytes by a sync had not got them before.
  return event.kind === 'sync' && event.for === 'device' ? 'cpu' : 'device'
}
