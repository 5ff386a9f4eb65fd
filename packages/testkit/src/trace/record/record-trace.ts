import type { DmaChecks, DmaEvents, Kernel } from '@linux-dma/native'
import { checkInteger, checkOptionNames } from '../../arguments'
import { DmaErrors } from '../../dma-errors'
import { invalidArgument } from '../../errors'
import { toBase64 } from '../base64'
import type { LiveTrace } from '../trace-event'
import { TraceLog } from '../trace-log'
import { recordedEvents } from './recorded-events'
import { RecordingVerbs } from './recording-verbs'
import { SharedMemory } from './shared-memory'

/** What of a trace is to be recorded. */
export interface RecordOptions {
  /**
   * Whether the bytes of mappings are taken down at each map, sync and unmap, which `replayTrace()` needs where the device reads memory.
   * False by default.
   */
  bytes?: boolean
  /** Bytes of each event that are taken down, at most; how many were left out is in its `cut`. 65536 by default. */
  bytesLimit?: number
  /** Events that are kept; older ones are let go. 1,000,000 by default. */
  limit?: number
}

/** A kernel that is listened to, and what was heard. */
export interface Recording {
  /** To be used in the place of the other, for everything: memory of the one is not memory of the other. */
  readonly kernel: Kernel
  readonly trace: LiveTrace
}

const DEFAULT_BYTES = 65_536
const DEFAULT_LIMIT = 1_000_000

/**
 * Records what goes through a kernel, real or fake: register accesses of every width, maps, syncs and unmaps, interrupts that the
 * program is told of. What a device does by itself no kernel tells: its DMA and faults are in the trace of a fake machine only.
 *
 * Registers that are mapped are recorded, and BARs that VFIO reads and writes; configuration space is not. The addresses that a region
 * gives out by `addressAt()` are those of no mapping, and so their bytes are in no trace. With `bytes`, memory of coherent allocations is
 * compared at each register write and each interrupt, and what changed is noted as a sync.
 *
 * A register access costs a microsecond more, a mapping some.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const { kernel, trace } = recordTrace(linuxKernel(), { bytes: true })
 * using device = openVfioDevice('0000:00:04.0', { kernel })
 * // …
 * writeFileSync('edu.trace', trace.save())
 * ```
 */
export function recordTrace(kernel: Kernel, options: RecordOptions = {}): Recording {
  checkOptionNames(options, ['bytes', 'bytesLimit', 'limit'], 'recordTrace')
  const { bytes = false, bytesLimit = DEFAULT_BYTES, limit = DEFAULT_LIMIT } = options
  if (typeof kernel?.mapRegisters !== 'function')
    invalidArgument('recordTrace: the first argument is no kernel')
  if (typeof bytes !== 'boolean') invalidArgument('bytes is neither true nor false')
  checkInteger(bytesLimit, 'bytesLimit', 0)
  checkInteger(limit, 'limit', 1)
  const take = (from: Uint8Array) => {
    const cut = Math.max(0, from.byteLength - bytesLimit)
    return { bytes: toBase64(from.subarray(0, bytesLimit)), ...(cut === 0 ? {} : { cut }) }
  }
  const { clock, name } = kernel
  const log = new TraceLog({ clock, machine: name, limit, ...(bytes ? { take } : {}) })
  const memory = new SharedMemory(log, bytesLimit)
  const verbs = new RecordingVerbs(kernel, log, memory)
  const dmaEvents = recordedEvents(log, memory, kernel.dmaEvents)
  return { kernel: listenedTo(kernel, verbs, dmaEvents, listenedChecks(kernel.dmaChecks, log)), trace: log }
}

/** The same kernel, some of whose verbs are the recorder's. The others see the kernel itself as their `this`. */
function listenedTo(
  kernel: Kernel,
  verbs: RecordingVerbs,
  dmaEvents: DmaEvents,
  dmaChecks: DmaChecks | undefined,
): Kernel {
  const own = new Map<PropertyKey, unknown>(Object.entries({ ...verbs.all(), dmaEvents, dmaChecks }))
  return new Proxy(kernel, {
    get(target, name) {
      if (own.has(name)) return own.get(name)
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const bound: unknown = value.bind(target)
      own.set(name, bound)
      return bound
    },
  })
}

/** What checks for the kernel goes on; what it finds is in the trace, too. */
function listenedChecks(checks: DmaChecks | undefined, log: TraceLog): DmaChecks | undefined {
  if (!checks) return undefined
  const { onError, contents, callSites, device, cacheLineSize } = checks
  if (checks instanceof DmaErrors) checks.recordings.add(log)
  return {
    ...{ onError, contents, callSites, device, cacheLineSize },
    onChecker: (checker) => checks.onChecker(checker),
    onReport: (report) => {
      log.misuse(report)
      checks.onReport(report)
    },
  }
}
