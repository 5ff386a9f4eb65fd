/** The middle value; the mean of the two middle ones where there is an even number. NaN for no values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/**
 * The value below which the given share of the values lies, linear between neighbours. NaN for no values.
 * @param share 0 to 1
 */
export function quantile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort()
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)]
  const above = sorted[Math.ceil(place)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** Median absolute deviation as a share of the median: how far a typical value is from the middle one. */
export function relativeMad(values: readonly number[]): number {
  const middle = median(values)
  return median(values.map((value) => Math.abs(value - middle))) / Math.abs(middle)
}
