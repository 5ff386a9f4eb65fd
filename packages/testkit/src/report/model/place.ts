import type { TraceEvent } from '../../trace/trace-event'

/** Bytes as the device counts them: from `start` up to, not including, `end`. */
export interface Place {
  readonly start: number
  readonly end: number
}

/** As a checker words it: `edu 64 bytes at 0xfff000`. */
const WORDED = /(\d+) bytes at (0x[0-9a-f]+)/

/** Which bytes an event is about. Registers, interrupts and notes are about none. */
export function placeOf(event: TraceEvent): Place | undefined {
  switch (event.kind) {
    case 'map':
    case 'sync':
    case 'unmap':
    case 'dma':
    case 'fault':
      return place(event.address, event.byteLength)
    case 'misuse': {
      if (event.address !== undefined) return place(event.address, event.byteLength ?? 1)
      const worded = WORDED.exec(event.message)
      return worded ? place(worded[2]!, Number(worded[1])) : undefined
    }
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
