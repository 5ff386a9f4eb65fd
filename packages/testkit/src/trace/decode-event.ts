import { EventCode, type RawEvent } from './event-ring'
import type { InterruptStage, TraceDirection, TraceEvent, TraceFamily } from './trace-event'

/** What is noted of bytes beside where they are: in base64, and how many at their end were left out. */
export interface TakenBytes {
  readonly bytes?: string
  readonly cut?: number
}

export const directions: readonly TraceDirection[] = ['bidirectional', 'to-device', 'from-device']
export const stages: readonly InterruptStage[] = ['raised', 'delivered', 'enabled', 'disabled']
export const families: readonly TraceFamily[] = ['single', 'sg', 'coherent', 'noncoherent', 'resource']

/** What an event has in the ring, in words. @param n its number */
export function decodeEvent(n: number, raw: RawEvent): TraceEvent {
  return { n, time: rounded(raw.time), device: raw.device, ...bodyOf(raw) }
}

/** Whole nanoseconds: sums of virtual time end in digits that nobody wants to read. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1e6) / 1e6
}

type Body<Event = TraceEvent> = Event extends TraceEvent ? Omit<Event, 'n' | 'time' | 'device'> : never

function bodyOf(raw: RawEvent): Body {
  const { code, a, b, c, detail } = raw
  switch (code) {
    case EventCode.Map:
    case EventCode.Sync:
    case EventCode.Unmap:
      return mappingBody(raw)
    case EventCode.RegisterRead:
    case EventCode.RegisterWrite:
      return registerBody(raw)
    case EventCode.Dma:
    case EventCode.Fault: {
      const kind = code === EventCode.Dma ? 'dma' : 'fault'
      return { kind, access: a === 0 ? 'read' : 'write', address: hex(b), byteLength: c }
    }
    case EventCode.Interrupt:
      return { kind: 'interrupt', vector: a, count: b, stage: stages[c]! }
    case EventCode.Misuse:
      return { kind: 'misuse', ...(detail as Omit<Body & { kind: 'misuse' }, 'kind'>) }
    case EventCode.Note:
      return { kind: 'note', message: detail as string }
  }
}

function mappingBody({ code, a: mapping, b, c: byteLength, d, detail }: RawEvent): Body {
  const address = hex(b)
  const taken = (detail ?? {}) as TakenBytes
  if (code === EventCode.Unmap) return { kind: 'unmap', mapping, address, byteLength, ...taken }
  if (code === EventCode.Sync) {
    return { kind: 'sync', for: d === 0 ? 'cpu' : 'device', mapping, address, byteLength, ...taken }
  }
  const direction = directions[d >> 3]!
  const family = families[d & 7]!
  // Without bytes the detail is the place alone, so that no object is made for each.
  const rest = typeof detail === 'string' ? { at: detail } : taken
  return { kind: 'map', mapping, address, byteLength, direction, family, ...rest }
}

function registerBody({ code, a, b: offset, c: low, d: high, detail }: RawEvent): Body {
  const width = (a & 0xff) as 8 | 16 | 32 | 64
  const value = width === 64 ? hex((BigInt(high) << 32n) | BigInt(low)) : low
  const access = code === EventCode.RegisterRead ? 'read' : 'write'
  const name = detail as string | undefined
  return {
    kind: 'register',
    access,
    bar: a >> 8,
    offset,
    ...(name === undefined ? {} : { name }),
    width,
    value,
  }
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`
}
