/** Bytes of one memory, whole pages. */
export interface PageRun {
  readonly start: number
  readonly end: number
}

/** Each run gets a pin, which is a descriptor. */
const MOST = 8
/** Pages in a gap that is not worth one. */
const SMALL_GAP = 16

/** Which pages of one memory a table has, as runs of them: pages between two runs are not its own. */
export class PageRuns {
  private readonly pageSize: number
  private runs: { start: number; end: number }[] = []

  constructor(pageSize: number) {
    this.pageSize = pageSize
  }

  /** Adds the pages that hold some bytes. */
  include(start: number, end: number): void {
    const first = Math.floor(start / this.pageSize) * this.pageSize
    const last = Math.ceil(end / this.pageSize) * this.pageSize
    const run = this.runs.at(-1)
    // Segments mostly follow each other.
    if (run && first >= run.start && first <= run.end) run.end = Math.max(run.end, last)
    else this.runs.push({ start: first, end: last })
  }

  /** The runs in order, none touching another: all of them. */
  exact(): readonly PageRun[] {
    const joined: { start: number; end: number }[] = []
    for (const { start, end } of this.runs.sort((a, b) => a.start - b.start)) {
      const last = joined.at(-1)
      if (last && start <= last.end) last.end = Math.max(last.end, end)
      else joined.push({ start, end })
    }
    this.runs = joined
    return joined
  }

  /** The same with the smallest gaps filled, so that there are few. */
  few(): readonly PageRun[] {
    const exact = this.exact()
    const gaps = exact.slice(1).map(({ start }, i) => start - exact[i]!.end)
    const smallest = Math.max(gaps.toSorted((a, b) => b - a)[MOST - 2] ?? 0, (SMALL_GAP + 1) * this.pageSize)
    const runs: { start: number; end: number }[] = [{ ...exact[0]! }]
    for (const [i, gap] of gaps.entries()) {
      const { start, end } = exact[i + 1]!
      if (gap >= smallest && runs.length < MOST) runs.push({ start, end })
      else runs.at(-1)!.end = end
    }
    return runs
  }
}

/** The end of the run that an offset lies in. */
export function endOfRun(runs: readonly PageRun[], offset: number): number {
  let low = 0
  let high = runs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (runs[middle]!.start <= offset) low = middle
    else high = middle - 1
  }
  return runs[low]!.end
}
