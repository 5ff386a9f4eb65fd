import { DmaError } from '@linux-dma/native'
import { assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { dmaDevNeedSync } from '../device/need-sync'
import { createDmaRegion } from '../mapping/create-region'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { DmaDirection } from '../vocabulary/direction'
import { type Crossover, copybreakLengths, findCrossover } from './copybreak-crossover'
import { copybreakWork } from './copybreak-work'

/**
 * Bytes up to which a received buffer is copied, where each buffer is mapped by itself and nothing was measured: 32 KiB.
 * An unmap and a map through VFIO take some 5 µs, in which a processor copies that much and more. In a region the
 * copybreak is 0: to map is arithmetic there, and no copy is as cheap.
 */
export const DEFAULT_COPYBREAK = 32768

const SHORTEST_BUFFER = 64
const LONGEST_BUFFER = 1 << 26
const LONGEST_TIME = 60_000
/** Buffers take turns over so many bytes: as in a ring, a buffer is not in the innermost caches when its turn comes. */
const BYTES_IN_TURN = 1 << 20
const FEWEST_BUFFERS = 4
const MOST_BUFFERS = 64

/** What to measure: see {@link calibrateCopybreak}. */
export interface CopybreakOptions {
  /** Bytes in each receive buffer, 64 to 64 MiB: what is mapped anew when a buffer is handed up. Default 64 KiB. */
  bufferByteLength?: number
  /** Whether the buffers are parts of a registered region. Default: each is mapped by itself. */
  registered?: boolean
  /** Stop measuring after so many milliseconds of the kernel's clock, 1 to 60,000. Default 250. */
  timeLimitMilliseconds?: number
}

/** What copying and mapping cost on this machine and for this device. */
export interface Copybreak extends Crossover {
  /**
   * Whether anything was measured; else all figures are 0. Nothing is in a region of a device that needs no syncs, where
   * mapping is arithmetic and `byteLength` 0; and where the clock stands still, as a fake machine's does while a program
   * computes, and `byteLength` is the default.
   */
  readonly measured: boolean
}

/**
 * Measures up to how many bytes it is cheaper to copy a received packet out of its mapped buffer (sync for the CPU, copy,
 * sync for the device) than to hand the buffer up and map another (unmap, map).
 *
 * It maps memory of its own, at most 1 MiB or four buffers, and leaves nothing behind. The thread is busy meanwhile:
 * call it when the driver starts. Allocation is counted on neither side: there is a place to copy to, and a free buffer.
 * @throws DMA_INVALID_ARGUMENT; DMA_BUS_MASTER_OFF, DMA_CLOSED for the device; what allocating and mapping throw
 * @example
 * ```ts
 * const { byteLength: copybreak } = calibrateCopybreak(device, { bufferByteLength: 2048 })
 * ```
 */
export function calibrateCopybreak(device: DmaDevice, options: CopybreakOptions = {}): Copybreak {
  assertOptions('calibrateCopybreak', options, ['bufferByteLength', 'registered', 'timeLimitMilliseconds'])
  const { bufferByteLength = 65536, registered = false, timeLimitMilliseconds = 250 } = options
  assertWithin('bufferByteLength', bufferByteLength, SHORTEST_BUFFER, LONGEST_BUFFER, 'bytes')
  assertWithin('timeLimitMilliseconds', timeLimitMilliseconds, 1, LONGEST_TIME, 'milliseconds')
  if (typeof registered !== 'boolean') {
    throw new DmaError('DMA_INVALID_ARGUMENT', `registered is ${String(registered)}, not true or false`)
  }
  device.assertReady()
  const lengths = copybreakLengths(bufferByteLength)
  // As long as the engine has not compiled it, arithmetic can lose against a copy, which is native from the start.
  if (registered && !dmaDevNeedSync(device)) return notMeasured(lengths, 0)
  const wanted = Math.floor(BYTES_IN_TURN / bufferByteLength)
  const count = Math.min(Math.max(wanted, FEWEST_BUFFERS), MOST_BUFFERS)
  const { kernel } = device
  // Closing the memory ends all that is mapped of it.
  using memory = allocateDmaMemory({
    byteLength: count * bufferByteLength,
    kernel,
    name: 'linux-dma-copybreak',
  })
  if (registered) createDmaRegion(device, { memory, direction: DmaDirection.FromDevice })
  const work = copybreakWork(device, { memory, count, byteLength: bufferByteLength })
  const found = findCrossover(work, kernel.clock, lengths, timeLimitMilliseconds)
  return found
    ? { ...found, measured: true }
    : notMeasured(lengths, Math.min(DEFAULT_COPYBREAK, bufferByteLength))
}

function notMeasured(lengths: readonly number[], byteLength: number): Copybreak {
  return {
    byteLength,
    remapNanoseconds: 0,
    samples: lengths.map((length) => ({ byteLength: length, copyNanoseconds: 0 })),
    measured: false,
  }
}

function assertWithin(name: string, value: number, least: number, most: number, unit: string): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `${name} is ${String(value)}, not a whole number of ${unit} from ${least} to ${most}`,
  )
}
