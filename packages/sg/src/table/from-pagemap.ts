import { DmaError } from '@linux-dma/core'
import { int32sOf } from './int32s'

/** Bits of the upper half of an entry of /proc/PID/pagemap. */
enum Upper {
  /** Bits 32 to 54 of the frame number. */
  FrameMask = 0x7f_ffff,
  Swapped = 1 << 30,
  Present = 1 << 31,
}

/**
 * Frame numbers of raw entries of /proc/PID/pagemap, read by halves: no bigint is made.
 * @throws DMA_INVALID_ARGUMENT for what is no BigUint64Array; DMA_NO_FRAME for a page that is not in memory, or whose
 *   frame the kernel does not tell
 */
export function framesOf(entries: BigUint64Array): Uint32Array {
  if (!(entries instanceof BigUint64Array)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'entries is no BigUint64Array', {
      hint: 'read /proc/self/pagemap into one: 8 bytes for each page; plain frame numbers go to SgTable.fromPages()',
    })
  }
  const halves = int32sOf(entries)
  const count = halves.length / 2
  const frames = new Uint32Array(count)
  const bits = Upper.FrameMask | Upper.Swapped | Upper.Present
  for (let i = 0; i < count; i++) {
    const frame = halves[i * 2]!
    // One compare says that the page is present, not swapped, and that its number fits.
    if ((halves[i * 2 + 1]! & bits) !== Upper.Present || frame === 0) throw noFrame(halves, i)
    frames[i] = frame
  }
  return frames
}

function noFrame(halves: Int32Array, i: number): DmaError {
  const upper = halves[i * 2 + 1]!
  if ((upper & (Upper.Present | Upper.Swapped)) !== Upper.Present) {
    const why = (upper & Upper.Swapped) !== 0 ? 'it is swapped out' : 'it was never touched'
    return new DmaError('DMA_NO_FRAME', `entry ${i}: the page has no frame, ${why}`, {
      hint: 'touch the memory and pin it before its frames are read; what is not pinned can move at any time',
    })
  }
  const upperBits = upper & Upper.FrameMask
  if (upperBits === 0) {
    return new DmaError('DMA_NO_FRAME', `entry ${i}: the kernel does not tell the frame`, {
      hint: 'it tells those who have CAP_SYS_ADMIN when they open the file',
    })
  }
  const lowerBits = halves[i * 2]! >>> 0
  const frame = upperBits.toString(16) + lowerBits.toString(16).padStart(8, '0')
  return new DmaError(
    'DMA_NO_FRAME',
    `entry ${i}: frame 0x${frame} has more than the 32 bits that a table keeps`,
    { hint: 'with pages of 4 KiB such a frame lies above 16 TiB: take memory of another node' },
  )
}
