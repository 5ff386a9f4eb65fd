/** What is to be weighed against each other: each function does its work so many times over. */
export interface CopybreakWork {
  /** How many buffers take turns. */
  readonly buffers: number
  /** Sync for the CPU, copy so many bytes, sync for the device. */
  copy(byteLength: number, times: number): void
  /** Unmap a buffer and map it again. */
  remap(times: number): void
}

/** What copying so many bytes out of a mapped buffer costs. */
export interface CopybreakSample {
  /** Bytes that were copied. */
  readonly byteLength: number
  /** Both syncs and the copy. */
  readonly copyNanoseconds: number
}

/** What was found: see `calibrateCopybreak`. */
export interface Crossover {
  /** Bytes up to which copying is cheaper: 0 where it never is, the longest length where it always is. */
  readonly byteLength: number
  /** An unmap and a map. */
  readonly remapNanoseconds: number
  /** One for each length, shortest first. */
  readonly samples: readonly CopybreakSample[]
}

/** Lengths are a half octave apart: between two of them the cost of a copy is as good as linear. */
const STEP = Math.SQRT2
const SHORTEST = 64

/** Enough rounds for a median that a few interruptions do not move. */
const MOST_ROUNDS = 41
/** So much of the time is for warming up: until then the engine still compiles. */
const WARM_UP_SHARE = 0.25
/** What is timed at once lasts as long, so that reading the clock does not matter. */
const BATCH_MILLISECONDS = 0.05
const LARGEST_BATCH = 1 << 14
/** A clock that has not moved after so many copies and remaps stands still. */
const PROBES = 16

/** The lengths to try for buffers of `bufferByteLength`, from 64 bytes to all of it. */
export function copybreakLengths(bufferByteLength: number): number[] {
  const lengths: number[] = []
  for (let length = SHORTEST; length < bufferByteLength; length *= STEP) lengths.push(Math.round(length))
  lengths.push(bufferByteLength)
  return lengths
}

/**
 * Finds the length at which copying begins to cost more than mapping anew. Copies of each length and remaps take turns,
 * and each pair gives a ratio: what slows the machine down for a while slows both.
 * @param lengths ascending
 * @param limitMilliseconds on this clock; one round is made whatever it takes
 * @returns undefined where the clock stands still
 */
export function findCrossover(
  work: CopybreakWork,
  clock: { now(): number },
  lengths: readonly number[],
  limitMilliseconds: number,
): Crossover | undefined {
  const start = clock.now()
  work.copy(lengths.at(-1)!, PROBES)
  work.remap(PROBES)
  if (clock.now() === start) return undefined
  const batches = warmUp(work, clock, lengths, start + limitMilliseconds * WARM_UP_SHARE)
  const deadline = start + limitMilliseconds
  const copies: number[][] = lengths.map(() => [])
  const ratios: number[][] = lengths.map(() => [])
  const remaps: number[] = []
  for (let round = 0; round < MOST_ROUNDS && (round === 0 || clock.now() < deadline); round++) {
    for (const [i, length] of lengths.entries()) {
      if (round > 0 && clock.now() >= deadline) break
      // One turn before: the caches are then as they are where packets of this length come one after another.
      work.copy(length, work.buffers)
      const copy = timeOne(clock, batches.copy[i]!, (times) => work.copy(length, times))
      const remap = timeOne(clock, batches.remap, (times) => work.remap(times))
      copies[i]!.push(copy)
      remaps.push(remap)
      // A pair that took no time at all weighs nothing.
      if (copy + remap > 0) ratios[i]!.push(copy / remap)
    }
  }
  const middle = ratios.map((values) => (values.length === 0 ? 1 : median(values)))
  return {
    byteLength: crossing(lengths, middle),
    remapNanoseconds: median(remaps) * 1e6,
    samples: lengths.map((byteLength, i) => ({ byteLength, copyNanoseconds: median(copies[i]!) * 1e6 })),
  }
}

/** How often each thing has to be done to last long enough; and the engine has seen all of it by then. */
function warmUp(
  work: CopybreakWork,
  clock: { now(): number },
  lengths: readonly number[],
  until: number,
): { copy: number[]; remap: number } {
  const copy = lengths.map(() => 1)
  let remap = 1
  for (let grows = true; grows || clock.now() < until; ) {
    grows = false
    for (const [i, length] of lengths.entries()) {
      const enough = grown(clock, copy[i]!, (times) => work.copy(length, times))
      grows ||= enough > copy[i]!
      copy[i] = enough
    }
    const enough = grown(clock, remap, (times) => work.remap(times))
    grows ||= enough > remap
    remap = enough
    if (clock.now() >= until) break
  }
  return { copy, remap }
}

/** Does something so many times, and says whether it is to be done twice as often the next time. */
function grown(clock: { now(): number }, times: number, run: (times: number) => void): number {
  const start = clock.now()
  run(times)
  const isShort = clock.now() - start < BATCH_MILLISECONDS
  return isShort && times < LARGEST_BATCH ? times * 2 : times
}

/** Milliseconds that doing something once takes. */
function timeOne(clock: { now(): number }, times: number, run: (times: number) => void): number {
  const start = clock.now()
  run(times)
  return (clock.now() - start) / times
}

/**
 * Where the ratio passes 1. Noise may let it pass there and back: the place is taken that contradicts the fewest of the
 * ratios, each weighed by how far from 1 it is.
 */
function crossing(lengths: readonly number[], ratios: readonly number[]): number {
  const weights = ratios.map((ratio) => Math.log(Math.min(Math.max(ratio, 1e-6), 1e6)))
  let contradiction = weights.reduce((sum, weight) => sum + Math.max(0, -weight), 0)
  let least = contradiction
  let cheaper = 0
  for (const [i, weight] of weights.entries()) {
    // Counted as cheaper to copy from here on.
    contradiction += weight
    if (contradiction >= least) continue
    least = contradiction
    cheaper = i + 1
  }
  if (cheaper === 0) return 0
  if (cheaper === lengths.length) return lengths[cheaper - 1]!
  const [below, above] = [lengths[cheaper - 1]!, lengths[cheaper]!]
  const [low, high] = [ratios[cheaper - 1]!, ratios[cheaper]!]
  const share = Number.isFinite(high) ? (1 - low) / (high - low) : 0
  return Math.floor(below + (above - below) * Math.min(Math.max(share, 0), 1))
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
