import type { TraceEvent } from '../../trace/trace-event'

/** Bytes as the device counts them: from `start` up to, not including, `end`. */
export interface Place {
  readonly start: number
  readonly end: number
}

/** Which bytes an event is about. Registers, interrupts and notes are about none. */
export function placeOf(event: TraceEvent): Place | undefined {
  switch (event.kind) {
    case 'map':
    case 'sync':
    case 'unmap':
    case 'dma':
    case 'fault':
      return place(event.address, event.byteLength)
    case 'misuse':
      return event.address === undefined ? undefined : place(event.address, event.byteLength ?? 1)
    default:
      return undefined
  }
}

/** Whether two have a byte in common. */
export function overlap(a: Place, b: Place): boolean {
  return a.start < b.end && b.start < a.end
}

/** Whether all of `inner` lies in `outer`. */
export function contains(outer: Place, inner: Place): boolean {
  return outer.start <= inner.start && inner.end <= outer.end
}

function place(address: string, byteLength: number): Place {
  const start = Number(address)
  return { start, end: start + byteLength }
}
