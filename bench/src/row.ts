/** What one row found. */
export interface Measured {
  /** What the packages cost, in the row's unit. */
  ours: number
  /** What C costs for the same work, in the row's unit; null where there is nothing to compare with. */
  c: number | null
  /** Median of the ratios of the pairs, ours to C; null without C. */
  ratio: number | null
  /** Median absolute deviation of those ratios, as a share of their median; null without C. */
  mad: number | null
  /** Samples, or pairs of samples. */
  runs: number
}

/** One line of the table, before it is measured. */
export interface Row {
  /** As in the table and in goals.ts: unique. */
  readonly name: string
  /** What `ours` and `c` are in. */
  readonly unit: string
  measure(context: Context): Measured | Promise<Measured>
}

/** How thoroughly to measure. */
export interface Context {
  /** Fewer pairs, shorter runs. */
  quick: boolean
  /** Runs of a minute where others take ten seconds. */
  long: boolean
}

/** A measured row with its name. */
export interface Result extends Measured {
  name: string
  unit: string
}

/** A row without C: one value. */
export function single(ours: number, runs = 1): Measured {
  return { ours, c: null, ratio: null, mad: null, runs }
}
