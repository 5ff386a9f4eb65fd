import type { Kernel } from '@linux-dma/native'
import { explained } from '../checks/explain'

/** Frame numbers of consecutive pages. A `Uint32Array` holds those of the first 16 TiB of physical addresses. */
export type Frames = Float64Array | Uint32Array

/**
 * What stood in the way of a frame number: the page is not in memory, or on its way to another place; the kernel says that
 * there is one and not where; the number is too large for the array.
 */
export type FrameProblem = 'absent' | 'hidden' | 'too large'

/** Pages that one system call tells of: 512 KiB of entries, from which on it is no faster. */
const CHUNK = 65_536

/** A process owns its files in procfs as the user that it was started as, whatever may be set there. */
const WHY_CLOSED = {
  EACCES: () => ({
    message: 'frame numbers may not be read: this process has changed its user, or may not be traced',
    hint: 'frame numbers are told to CAP_SYS_ADMIN only: be root from start to end, or at least while memory is mapped; to start as the other user opens the file, and tells no frames. Behind an IOMMU use VFIO, which needs no physical address',
  }),
}

/** The upper 32 bits of an entry. */
enum Upper {
  /** Bits 32 to 54 of the frame number. */
  Frame = 0x7f_ffff,
  Swapped = 0x4000_0000,
}

enum Limit {
  /** The values of 32 bits. */
  Half = 0x1_0000_0000,
}

/**
 * Reads the frame numbers of `count` pages from process address `address` on.
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
  for (let first = 0; first < count; first += CHUNK) {
    const wanted = Math.min(count - first, CHUNK)
    const part = wanted === entries.length ? entries : entries.subarray(0, wanted)
    const got = explained(() => kernel.readPagemap(address + first * kernel.pageSize, part), WHY_CLOSED)
    const good = takeFrames(halves, got, frames, first)
    if (good < wanted) return { page: first + good, problem: good < got ? problemOf(halves, good) : 'absent' }
  }
  return undefined
}

/**
 * Puts the frame numbers of entries into `frames`, until one has none that fits; returns how many had one. An entry is taken
 * apart as two halves: a bigint for each page would take five times as long.
 */
function takeFrames(halves: Uint32Array, count: number, frames: Frames, first: number): number {
  const largest = frames instanceof Uint32Array ? Limit.Half - 1 : Number.MAX_SAFE_INTEGER
  for (let i = 0; i < count; i++) {
    const high = halves[2 * i + 1]!
    // Bit 63 is the sign of the upper half.
    if ((high | 0) >= 0 || (high & Upper.Swapped) !== 0) return i
    const frame = halves[2 * i]! + (high & Upper.Frame) * Limit.Half
    if (frame === 0 || frame > largest) return i
    frames[first + i] = frame
  }
  return count
}

function problemOf(halves: Uint32Array, index: number): FrameProblem {
  const high = halves[2 * index + 1]!
  if ((high | 0) >= 0 || (high & Upper.Swapped) !== 0) return 'absent'
  return halves[2 * index] === 0 && (high & Upper.Frame) === 0 ? 'hidden' : 'too large'
}
