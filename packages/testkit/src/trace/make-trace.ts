import type { VirtualClock } from '../clock'
import type { DmaErrors } from '../dma-errors'
import type { CheckedOptions } from '../machine-options'
import { TraceLog } from './trace-log'

/** Events that a machine keeps: some hundred transfers. */
const LIMIT = 10_000

/** A machine's trace as the user sees it, and where its parts note what happens: nowhere, if nobody wants to know. */
export function makeTrace(
  { seed, trace }: CheckedOptions,
  { clock, dmaErrors }: { clock: VirtualClock; dmaErrors: DmaErrors | undefined },
): { shownTrace: TraceLog; trace: TraceLog | undefined } {
  const shownTrace = new TraceLog({ clock, machine: 'fake', seed, limit: LIMIT })
  const noted = trace ? shownTrace : undefined
  if (dmaErrors) dmaErrors.trace = noted
  return { shownTrace, trace: noted }
}
