import type { TraceEvent } from '../../trace/trace-event'
import type { MappingHistory } from './mapping-history'

/** A line of the picture. */
export interface Row {
  readonly kind: 'device' | 'registers' | 'interrupts' | 'notes' | 'mapping'
  readonly device: string
  readonly label: string
  /** A second line below the label. */
  readonly detail: string
  /** Indices of the events in it. */
  readonly events: readonly number[]
  /** Of a `mapping` row: those with these bytes, one after the other. */
  readonly mappings: readonly MappingHistory[]
}

type Lane = { device: string; mappings: MappingHistory[] }

const directionText = {
  bidirectional: '⇄ both ways',
  'to-device': '→ to device',
  'from-device': '← from device',
} as const

/** Device by device, in the order in which they turn up: what goes on at it, then its mappings. */
export function rowsOf(
  events: readonly TraceEvent[],
  mappings: readonly MappingHistory[],
  touched: readonly (readonly MappingHistory[])[],
): Row[] {
  const byDevice = new Map<string, TraceRows>()
  events.forEach((event, index) => {
    // What is about a device's bytes is about the device, also where nobody said so.
    const device = event.device || (touched[index]![0]?.device ?? '')
    const rows = byDevice.get(device) ?? { registers: [], interrupts: [], notes: [] }
    byDevice.set(device, rows)
    const name = rowOf(event)
    if (name) rows[name].push(index)
  })
  const lanes = lanesOf(mappings)
  return [...byDevice].flatMap(([device, rows]) => [
    heading(device),
    ...deviceRows(device, rows),
    ...lanes.filter((lane) => lane.device === device).map(mappingRow),
  ])
}

interface TraceRows {
  readonly registers: number[]
  readonly interrupts: number[]
  readonly notes: number[]
}

function rowOf({ kind }: TraceEvent): keyof TraceRows | undefined {
  if (kind === 'register') return 'registers'
  if (kind === 'interrupt') return 'interrupts'
  // Mapped bytes have lanes of their own; what is wrong with them is in both places.
  return kind === 'note' || kind === 'misuse' || kind === 'fault' ? 'notes' : undefined
}

function heading(device: string): Row {
  return { kind: 'device', device, label: device || 'the machine', detail: '', events: [], mappings: [] }
}

function deviceRows(device: string, { registers, interrupts, notes }: TraceRows): Row[] {
  const rows = [
    { kind: 'registers', label: 'registers', events: registers },
    { kind: 'interrupts', label: 'interrupts', events: interrupts },
    { kind: 'notes', label: 'problems, notes', events: notes },
  ] as const
  return rows
    .filter(({ events }) => events.length > 0)
    .map((row) => ({ ...row, device, detail: count(row.events.length, 'event'), mappings: [] }))
}

/**
 * A buffer that is mapped again and again is one lane, in which one sees it change hands; mappings that are live at the same time never
 * share one.
 */
function lanesOf(mappings: readonly MappingHistory[]): Lane[] {
  const lanes: Lane[] = []
  const byKey = new Map<string, Lane[]>()
  for (const history of mappings) {
    const { device, place, direction, family } = history
    const key = [device, place.start, place.end, direction, family].join(' ')
    const alike = byKey.get(key) ?? []
    byKey.set(key, alike)
    const free = alike.find((lane) => (lane.mappings.at(-1)!.to ?? Number.POSITIVE_INFINITY) < history.from)
    if (free) free.mappings.push(history)
    else {
      const lane = { device, mappings: [history] }
      alike.push(lane)
      lanes.push(lane)
    }
  }
  return lanes
}

function mappingRow({ device, mappings }: Lane): Row {
  const { place, direction, family, mapping } = mappings[0]!
  const way = direction ? directionText[direction] : 'mapped before the trace begins'
  const times = mappings.length > 1 ? `${mappings.length} mappings` : `mapping ${mapping}`
  return {
    kind: 'mapping',
    device,
    label: `0x${place.start.toString(16)}  ${bytes(place.end - place.start)}`,
    detail: [way, family, times].filter(Boolean).join(' · '),
    events: mappings.flatMap(({ events }) => events),
    mappings,
  }
}

function bytes(byteLength: number): string {
  if (byteLength >= 2 ** 20 && byteLength % 2 ** 20 === 0) return `${byteLength / 2 ** 20} MiB`
  if (byteLength >= 2 ** 13 && byteLength % 2 ** 10 === 0) return `${byteLength / 2 ** 10} KiB`
  return `${byteLength} B`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
