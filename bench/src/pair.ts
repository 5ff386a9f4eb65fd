import type { Context, Measured } from './row'
import { median, relativeMad } from './statistics'

/** Takes one sample: a duration, or whatever the row measures. */
export type Sample = () => number | Promise<number>

const WARM_UPS = 5
const PAIRS = 15
const QUICK_PAIRS = 11
/** Above this the machine was not quiet: the row is measured once more, and the quieter half kept. */
const LARGEST_MAD = 0.05

/**
 * Measures the same work in C and in the packages, turn by turn in one process, so that what disturbs the machine
 * disturbs both. The ratio is the median of the ratios of the pairs.
 */
export async function pair(context: Context, c: Sample, ours: Sample, warmUps = WARM_UPS): Promise<Measured> {
  for (let turn = 0; turn < warmUps; turn++) {
    await c()
    await ours()
  }
  const first = await measure(context, c, ours)
  if (first.mad! <= LARGEST_MAD) return first
  const second = await measure(context, c, ours)
  return second.mad! < first.mad! ? second : first
}

async function measure(context: Context, c: Sample, ours: Sample): Promise<Measured> {
  const pairs = context.quick ? QUICK_PAIRS : PAIRS
  const costs: { c: number; ours: number }[] = []
  for (let turn = 0; turn < pairs; turn++) costs.push({ c: await c(), ours: await ours() })
  const ratios = costs.map((cost) => cost.ours / cost.c)
  return {
    ours: median(costs.map((cost) => cost.ours)),
    c: median(costs.map((cost) => cost.c)),
    ratio: median(ratios),
    mad: relativeMad(ratios),
    runs: pairs,
  }
}

/** Operations in one call of a loop: a driver's own loops come back this often, and so give the engine its chance. */
const OPERATIONS_PER_CALL = 32_768

/** A sample of how many nanoseconds one of some `count` operations takes, of which `loop` does as many as it is told. */
export function nanosecondsPerOperation(loop: (count: number) => unknown, count: number): () => number {
  const perCall = Math.min(count, OPERATIONS_PER_CALL)
  const calls = Math.ceil(count / perCall)
  return () => {
    const start = process.hrtime.bigint()
    for (let call = 0; call < calls; call++) loop(perCall)
    return Number(process.hrtime.bigint() - start) / (calls * perCall)
  }
}

/** Lets pending events, and the finalizers that the garbage collector has left, run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
