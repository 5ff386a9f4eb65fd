import type { Kernel } from '@linux-dma/native'

/** Frame numbers of consecutive pages. A `Uint32Array` holds those of the first 16 TiB of physical addresses. */
export type Frames = Float64Array | Uint32Array

/**
 * What stood in the way of a frame number: the page is not in memory, or on its way to another place; the kernel says that
 * there is one and not where; the number is too large for the array.
 */
export type FrameProblem = 'absent' | 'hidden' | 'too large'

/** Pages that one system call tells of: 512 KiB of entries, from which on it is no faster. */
const CHUNK = 65_536
const ENTRY_WORDS = 2
/** Bits 32 to 54 of the frame number, in the upper half of an entry. */
const UPPER_FRAME = 0x7f_ffff
const SWAPPED = 0x4000_0000
const TWO_TO_32 = 0x1_0000_0000

/**
 * Reads the frame numbers of `count` pages from process address `address` on. An entry of 8 bytes is taken apart as two
 * halves: a bigint for each page would take five times as long.
 * @returns the first page that has none, and why; undefined where all have one
 */
export function readPageFrames(
  kernel: Kernel,
  address: number,
  count: number,
  frames: Frames,
): { page: number; problem: FrameProblem } | undefined {
  const entries = new BigUint64Array(Math.min(count, CHUNK))
  const halves = new Uint32Array(entries.buffer)
  const largest = frames instanceof Uint32Array ? TWO_TO_32 - 1 : Number.MAX_SAFE_INTEGER
  for (let first = 0; first < count; first += CHUNK) {
    const wanted = Math.min(count - first, CHUNK)
    const part = wanted === entries.length ? entries : entries.subarray(0, wanted)
    const got = kernel.readPagemap(address + first * kernel.pageSize, part)
    for (let i = 0; i < got; i++) {
      const low = halves[ENTRY_WORDS * i]!
      const high = halves[ENTRY_WORDS * i + 1]!
      // Bit 63 is the sign of the upper half.
      if ((high | 0) >= 0 || (high & SWAPPED) !== 0) return { page: first + i, problem: 'absent' }
      const frame = low + (high & UPPER_FRAME) * TWO_TO_32
      if (frame === 0) return { page: first + i, problem: 'hidden' }
      if (frame > largest) return { page: first + i, problem: 'too large' }
      frames[first + i] = frame
    }
    if (got < wanted) return { page: first + got, problem: 'absent' }
  }
  return undefined
}
