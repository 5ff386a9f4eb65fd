import type { TraceEvent } from '../../trace/trace-event'

/** Bytes as the device counts them: from `start` up to, not including, `end`. */
export interface Place {
  readonly start: number
  readonly end: number
}

/** What messages say where an event has no fields for it. The first that is found counts. */
const wordings: readonly [RegExp, (found: string[]) => Place][] = [
  [
    /bytes (\d+)\.\.(\d+) of [^\n]* mapping at (0x[0-9a-f]+)/,
    ([a, b, base]) => part(base!, Number(a), Number(b)),
  ],
  [/bytes (\d+)\.\.(\d+) [^\n]*, at (0x[0-9a-f]+)/, ([a, b, base]) => part(base!, 0, Number(b) - Number(a))],
  [/(\d+) bytes at (0x[0-9a-f]+)/, ([length, base]) => place(base!, Number(length))],
]

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
      return worded(event.message)
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

function worded(message: string): Place | undefined {
  for (const [wording, read] of wordings) {
    const found = wording.exec(message)
    if (found) return read(found.slice(1))
  }
  return undefined
}

/** `first` and `last` are bytes of what begins at `address`. */
function part(address: string, first: number, last: number): Place {
  return { start: Number(address) + first, end: Number(address) + last + 1 }
}

function place(address: string, byteLength: number): Place {
  const start = Number(address)
  return { start, end: start + byteLength }
}
