import { setTimeout } from 'node:timers/promises'
import { kernel } from '../fixtures'
import { pair } from '../pair'
import type { Reference } from '../reference'
import { type Context, type Measured, type Row, single } from '../row'
import { quantile } from '../statistics'

const INTERVAL = 200_000
const STORM_INTERVAL = 1000

/** From the write of an eventfd in another thread to the handler: what an interrupt through UIO or VFIO is. */
export function interruptRows(reference: Reference): Row[] {
  return [
    {
      name: 'interrupt to handler, median',
      unit: 'µs',
      measure: (context) => compare(context, reference, 0.5),
    },
    {
      name: 'interrupt to handler, 99th percentile',
      unit: 'µs',
      measure: (context) => compare(context, reference, 0.99),
    },
    { name: 'signals lost in a storm', unit: 'signals', measure: (context) => storm(context, reference) },
  ]
}

function compare(context: Context, reference: Reference, share: number): Promise<Measured> {
  const signals = context.quick ? 500 : 2000
  return pair(
    context,
    () => latency(reference, signals, share, true),
    () => latency(reference, signals, share, false),
    1,
  )
}

async function latency(
  reference: Reference,
  signals: number,
  share: number,
  consumeInC: boolean,
): Promise<number> {
  const fd = kernel.eventfd()
  const watch = consumeInC ? undefined : watchInto(reference, fd)
  reference.startSignals(fd, signals, INTERVAL, 1, consumeInC ? 1 : 0)
  await arrival(reference, signals)
  const nanoseconds = new Float64Array(signals)
  reference.collectSignals(nanoseconds)
  watch?.close()
  kernel.close(fd)
  return quantile(nanoseconds, share) / 1000
}

async function storm(context: Context, reference: Reference): Promise<Measured> {
  const signals = context.quick ? 1_000_000 : 10_000_000
  const fd = kernel.eventfd()
  const watch = watchInto(reference, fd)
  reference.startSignals(fd, signals, STORM_INTERVAL, 0, 0)
  const arrived = await arrival(reference, signals)
  reference.collectSignals(new Float64Array(0))
  watch.close()
  kernel.close(fd)
  return single(signals - arrived, signals)
}

function watchInto(reference: Reference, fd: number): { close(): void } {
  return kernel.watch(fd, 8, {
    onCount: (count) => reference.arrive(count),
    onError(error) {
      throw error
    },
  })
}

/** Waits until all signals have arrived; half a second after the last one was given, what is missing is lost. */
export async function arrival(reference: Reference, signals: number): Promise<number> {
  for (let patience = 25; patience > 0; ) {
    await setTimeout(20)
    const state = reference.signalState()
    if (state >= signals) return state
    if (state >= 0) patience--
  }
  return reference.signalState()
}
