import { checkMilliseconds, checkOptionNames } from '../../arguments'
import { invalidArgument } from '../../errors'
import type { DeviceModel } from '../../models/device-model'
import type { Trace, TraceEvent } from '../trace-event'
import { Replay } from './replay'
import { ReplayDevice } from './replay-device'
import type { OutsideAccess } from './replay-memory'

/** How a trace is replayed. */
export interface ReplayOptions {
  /** Which device's events, where the trace has those of several. */
  device?: string
  /**
   * Events that are played, but whose outcome is not compared: reads of a register that counts, for one. A function must not change
   * anything.
   */
  ignore?: (event: TraceEvent) => boolean
  /** Virtual milliseconds that a value, bytes or an interrupt may be late. 1000 by default. */
  patienceMilliseconds?: number
  /** How the driver took interrupts. By default by messages, where the model has any. */
  interrupts?: 'message' | 'line'
  /** Whether coherent memory is compared at each interrupt, and not only set to what was recorded. False by default. */
  coherent?: boolean
}

/** Where a model first does something else than the recorded device did. */
export interface Divergence {
  /** The event's number in the trace. */
  readonly n: number
  readonly event: TraceEvent
  /** What differs, in words. */
  readonly what: string
  /** What the recorded device did. */
  readonly expected: string
  /** What the model did. */
  readonly actual: string
}

/** What came of a replay. */
export interface ReplayResult {
  /** How many events were played: all of the device's where nothing diverges. */
  readonly events: number
  readonly divergence?: Divergence
  /** Accesses of the model to memory that no mapping of the trace has, the first hundred. */
  readonly outside: readonly OutsideAccess[]
}

/**
 * Plays the driver's side of a trace against a device model: its register accesses, its memory at the recorded addresses with the
 * recorded bytes, its interrupts. What the model answers is compared with what the recorded device did.
 *
 * The model is alone in a machine of its own, as after power-on: a trace begins where the driver opened the device, and has to be whole.
 * Virtual time passes as time did in the trace. No two devices are equally fast, though. A read that gives something else is done again
 * while time passes, so a model may be slower; and of a driver that polls, reads may give what later ones gave, so it may be faster. The
 * same goes for bytes and interrupts that are late. Registers that change when they are read should be in `ignore`.
 *
 * Compared are reads of registers, bytes of mappings that the device may write (where the trace was recorded with `bytes: true`; not
 * where the CPU had them before), and interrupts: one that does not come, or is left when the driver stops listening.
 * @param model the model, or what makes one: a model can be replayed once
 * @throws `DMA_INVALID_ARGUMENT`; `DMA_ALREADY_ATTACHED`
 * @example
 * ```ts
 * const { divergence } = replayTrace(parseTrace(text), () => new EduDevice())
 * assert.equal(divergence, undefined)
 * ```
 */
export function replayTrace(
  trace: Trace,
  model: DeviceModel | (() => DeviceModel),
  options: ReplayOptions = {},
): ReplayResult {
  const known = ['device', 'ignore', 'patienceMilliseconds', 'interrupts', 'coherent']
  checkOptionNames(options, known, 'replayTrace')
  const { ignore = () => false, patienceMilliseconds = 1000, interrupts, coherent = false } = options
  checkMilliseconds(patienceMilliseconds, 'patienceMilliseconds')
  if (typeof ignore !== 'function') invalidArgument('ignore is no function')
  if (interrupts !== undefined && interrupts !== 'message' && interrupts !== 'line') {
    invalidArgument('interrupts is one of message, line')
  }
  if (typeof coherent !== 'boolean') invalidArgument('coherent is neither true nor false')
  const events = eventsOf(trace, options.device)
  const device = new ReplayDevice(typeof model === 'function' ? model() : model, interrupts)
  const replay = new Replay(events, device, { ignore, patience: patienceMilliseconds, coherent })
  const { played, divergence } = replay.run()
  return { events: played, ...(divergence ? { divergence } : {}), outside: device.memory.outside }
}

function eventsOf(trace: Trace, wanted: string | undefined): readonly TraceEvent[] {
  const { version, events, dropped } = Object(trace) as Partial<Trace>
  if (version !== 1 || !Array.isArray(events)) invalidArgument('replayTrace: the first argument is no trace')
  if (dropped !== 0) {
    invalidArgument(
      `the trace has lost its first ${String(dropped)} events`,
      'record it with a higher limit, from before the device is opened',
    )
  }
  const devices = new Set<string>()
  for (const { kind, device } of events as TraceEvent[]) if (kind === 'register') devices.add(device)
  const [first] = devices
  if (wanted === undefined && devices.size > 1) {
    invalidArgument('the trace is one of several devices', `say which: device: '${first}'`)
  }
  if (wanted !== undefined && !devices.has(wanted)) {
    invalidArgument(
      `the trace has no register accesses of '${String(wanted)}'`,
      `it has those of ${[...devices].join(', ')}`,
    )
  }
  const device = wanted ?? first
  return (events as TraceEvent[]).filter((event) => event.device === device)
}
