import type { RegisterEvent, TraceEvent } from '../trace-event'

/** What a driver does; all else happens to it. */
function isDriversDoing({ kind }: TraceEvent): boolean {
  return kind === 'register' || kind === 'map' || kind === 'sync' || kind === 'unmap'
}

/** The value of a register event. */
export function recordedValue({ value }: RegisterEvent): bigint {
  return BigInt(value)
}

/**
 * What a read may give: what was recorded, or what the same register gave to a read after it, so long as the driver did nothing but read
 * in between. A driver that polls sees the same values in the same order, but not each as often: no two devices are equally fast.
 */
export function acceptedValues(events: readonly TraceEvent[], index: number): Set<bigint> {
  const first = events[index] as RegisterEvent
  const accepted = new Set([recordedValue(first)])
  for (let next = index + 1; next < events.length; next++) {
    const event = events[next]!
    if (!isDriversDoing(event)) continue
    if (event.kind !== 'register' || event.access !== 'read') break
    const { bar, offset, width } = event
    if (bar === first.bar && offset === first.offset && width === first.width)
      accepted.add(recordedValue(event))
  }
  return accepted
}
