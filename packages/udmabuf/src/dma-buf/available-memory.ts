import { DmaError } from '@linux-dma/core'
import type { Kernel } from '@linux-dma/native'

/** What a look at the machine is good for: so many bytes that were taken since, or so many milliseconds. */
const GOOD_FOR_BYTES = 16 * 1024 * 1024
const GOOD_FOR_MILLISECONDS = 20
/** Of the machine's memory, what is left alone: the kernel needs some to free any. */
const RESERVE = 1 / 32

interface Look {
  readonly at: number
  /** Bytes that can be had, less the reserve. */
  readonly bytes: number
  taken: number
}

/** When each machine was last looked at. */
const looks = /* @__PURE__ */ new WeakMap<Kernel, Look>()

/**
 * Refuses what the machine has not got: the kernel does not look, takes its pages at once, and when none are left ends processes, or
 * the machine.
 * @throws DMA_TOO_LARGE
 */
export function assertAvailable(kernel: Kernel, size: number): void {
  const look = freshLook(kernel, size)
  if (size > look.bytes - look.taken) {
    const left = Math.max(0, look.bytes - look.taken)
    throw new DmaError('DMA_TOO_LARGE', `the machine has ${left} bytes to give, and not ${size}`, {
      hint: 'a buffer’s pages are taken at once and cannot be swapped out: close buffers that are done with, or allocate less, in several as they are needed; MemAvailable in /proc/meminfo, of which a part is left alone',
    })
  }
  look.taken += size
}

/** The last look where it still says yes. What it says no to may be there by now: buffers are closed as well. */
function freshLook(kernel: Kernel, size: number): Look {
  const last = looks.get(kernel)
  const now = kernel.clock.now()
  const taken = (last?.taken ?? 0) + size
  const isRecent = last && taken <= GOOD_FOR_BYTES && now - last.at <= GOOD_FOR_MILLISECONDS
  if (isRecent && taken <= last.bytes) return last
  const look = { at: now, bytes: bytesLeft(kernel), taken: 0 }
  looks.set(kernel, look)
  return look
}

/** Infinity where the kernel does not tell. */
function bytesLeft(kernel: Kernel): number {
  let text: string
  try {
    text = kernel.readText('/proc/meminfo')
  } catch {
    return Number.POSITIVE_INFINITY
  }
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  const left = field('MemAvailable') - field('MemTotal') * RESERVE
  return Number.isNaN(left) ? Number.POSITIVE_INFINITY : left
}
