import type { RegisterEvent, TraceEvent } from '../trace-event'
import { ReadRun } from './read-run'

/** A read of a register, as a part of the run that it belongs to. */
export interface RunRead {
  readonly run: ReadRun
  /** Its number in the run. */
  readonly read: number
}

/** Whether the driver polls a register with this read; undefined: as it looks. */
export type PolledRule = (event: RegisterEvent) => boolean | undefined

/** The value of a register event. */
export function recordedValue({ value }: RegisterEvent): bigint {
  return BigInt(value)
}

/** By its index, which run each read of a register belongs to. */
export function readRuns(events: readonly TraceEvent[], polled: PolledRule): ReadonlyMap<number, RunRead> {
  const reads = new Map<number, RunRead>()
  const open = new Map<string, ReadRun>()
  for (const [index, event] of events.entries()) {
    if (event.kind === 'register' && event.access === 'read') {
      const run = runOf(event, open, polled(event))
      reads.set(index, { run, read: run.add(recordedValue(event)) })
    } else if (endsRuns(event)) open.clear()
  }
  return reads
}

/** The run that a read goes on with, or begins. It ends others, but those of registers that are said to be polled, maybe in turns. */
function runOf({ bar, offset, width }: RegisterEvent, open: Map<string, ReadRun>, said: boolean | undefined) {
  const register = `${bar} ${offset} ${width}`
  for (const [other, run] of open) if (other !== register && run.said !== true) open.delete(other)
  const before = open.get(register)
  const run = before !== undefined && before.said === said ? before : new ReadRun(said)
  open.set(register, run)
  return run
}

/** What a driver does, or is told: what it reads after that may have another reason. */
function endsRuns(event: TraceEvent): boolean {
  switch (event.kind) {
    case 'register':
    case 'map':
    case 'sync':
    case 'unmap':
      return true
    case 'interrupt':
      return event.stage !== 'raised'
    default:
      return false
  }
}
