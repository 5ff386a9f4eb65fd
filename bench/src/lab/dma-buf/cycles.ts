import { nextTurn, type Sample } from '../../pair'

/**
 * A sample of how many microseconds one of `count` buffers takes to make and give back. With a turn of the event loop, in which
 * what the garbage collector has found is unmapped.
 */
export function microsecondsPerCycle(work: (count: number) => unknown, count: number): Sample {
  return async () => {
    const start = process.hrtime.bigint()
    await work(count)
    await nextTurn()
    return Number(process.hrtime.bigint() - start) / 1000 / count
  }
}
