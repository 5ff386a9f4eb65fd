import { checkMilliseconds, checkOptionNames } from '../../arguments'
import { invalidArgument } from '../../errors'
import type { DeviceModel } from '../../models/device-model'
import type { RegisterEvent, Trace, TraceEvent } from '../trace-event'
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
  /**
   * Whether the driver waited for a value with this read of a register: then it is read again until it has the value, whatever it has
   * before. Undefined, as by default: if the trace looks like it. False for a FIFO whose values come again; true for what a quick device
   * had at once, or what is polled in turns with another register.
   */
  polled?: (event: RegisterEvent) => boolean | undefined
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

/** How much of what a model did was compared. */
export interface Compared {
  /** Reads of registers. */
  readonly registers: number
  /** Bytes that the device may have written. 0 where the trace has none: it was recorded without `bytes: true`. */
  readonly bytes: number
  /** Interrupts that the driver was told of. */
  readonly interrupts: number
}

/** What came of a replay. */
export interface ReplayResult {
  /** How many events were played: all of the device's where nothing diverges. */
  readonly events: number
  readonly divergence?: Divergence
  /** How much was compared, up to the divergence. What was not can differ without a word. */
  readonly compared: Compared
  /** Accesses of the model to memory that no mapping of the trace has, the first hundred. */
  readonly outside: readonly OutsideAccess[]
}

/**
 * Plays the driver's side of a trace against a device model: its register accesses, its memory at the recorded addresses with the
 * recorded bytes, its interrupts. What the model answers is compared with what the recorded device did.
 *
 * The model is alone in a machine of its own, as after power-on: a trace begins where the driver opened the device, and has to be whole.
 * Virtual time passes as time did in the trace. No two devices are equally fast, though. Where the driver polled, a model gives the same
 * values in the same order, but not each as often: it may be faster, and if it is slower, the last read is done again while time passes.
 * A driver polled where it read one register twice, or more often and each value but the last at least twice, and did nothing in between;
 * `polled` says so of other reads. All others are done once and compared one by one. Bytes and interrupts may be late, too.
 *
 * Compared are reads of registers, bytes of mappings that the device may write (where the trace was recorded with `bytes: true`; not
 * where the CPU had them before), and interrupts: one that does not come, or is left when the driver stops listening. The result says
 * how much that was.
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
  const known = ['device', 'ignore', 'polled', 'patienceMilliseconds', 'interrupts', 'coherent']
  checkOptionNames(options, known, 'replayTrace')
  const { ignore = () => false, polled = () => undefined, interrupts, coherent = false } = options
  const { patienceMilliseconds = 1000 } = options
  checkMilliseconds(patienceMilliseconds, 'patienceMilliseconds')
  if (typeof ignore !== 'function') invalidArgument('ignore is no function')
  if (typeof polled !== 'function') invalidArgument('polled is no function')
  if (interrupts !== undefined && interrupts !== 'message' && interrupts !== 'line') {
    invalidArgument('interrupts is one of message, line')
  }
  if (typeof coherent !== 'boolean') invalidArgument('coherent is neither true nor false')
  const events = eventsOf(trace, options.device)
  const device = new ReplayDevice(typeof model === 'function' ? model() : model, interrupts)
  const replay = new Replay(events, device, { ignore, polled, patience: patienceMilliseconds, coherent })
  const { played, divergence } = replay.run()
  const { compared } = replay
  return { events: played, ...(divergence ? { divergence } : {}), compared, outside: device.memory.outside }
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
