/** How a line of the log, and a note of a trace, begins that is about a disturbance. */
export const DISTURBED = 'disturbed: '

/** What says when something was done to which device: a line of `machine.log`, a note of a trace. */
interface Told {
  readonly time: number
  readonly device: string
  readonly message: string
}

/** What disturbances did in the same way. */
export interface DisturbanceKind {
  /** What was done the first time. */
  readonly what: string
  readonly device: string
  readonly count: number
  /** Of the first time, in virtual milliseconds. */
  readonly time: number
}

/** What disturbances did to devices, each kind once, in the order in which they came up. */
export function disturbanceKinds(lines: readonly Told[]): DisturbanceKind[] {
  const kinds = new Map<string, DisturbanceKind>()
  for (const { time, device, message } of lines) {
    if (!message.startsWith(DISTURBED)) continue
    const what = message.slice(DISTURBED.length)
    // Addresses, lengths and values are others each time.
    const key = `${device} ${what.replace(/0x[0-9a-f]+|\d+(?= bytes)/g, '#')}`
    const known = kinds.get(key) ?? { what, device, count: 0, time }
    kinds.set(key, { ...known, count: known.count + 1 })
  }
  return [...kinds.values()]
}

/** In words. @param formatTime how milliseconds are written */
export function tellDisturbance(kind: DisturbanceKind, formatTime: (milliseconds: number) => string): string {
  const { what, device, count, time } = kind
  const times = count === 1 ? 'once, at' : `${count} times, first at`
  return `${what} (${device}), ${times} ${formatTime(time)}`
}
