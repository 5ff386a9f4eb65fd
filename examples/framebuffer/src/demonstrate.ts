import { DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import { Channel } from './channel'
import { byteLengthOf, type FrameFormat, formatOf } from './format'
import type { Framebuffer } from './framebuffer'
import { produce } from './producer'
import { MOST_FRAMES } from './stamp'
import type { StartConsumer } from './start-consumer'

/**
 * Has frames drawn here and taken by a consumer, and says what came out. It knows neither whether the kernel it is given is
 * a real one, nor where the consumer runs.
 * @throws FRAMEBUFFER_FRAMES; FRAMEBUFFER_PEER_GONE, with how the consumer ended; what the producer throws
 */
export async function demonstrate(
  kernel: Kernel,
  startConsumer: StartConsumer,
  { frames, print }: { frames: number; print: (line: string) => void },
): Promise<void> {
  checkFrames(frames)
  const before = kernel.live()
  await run(kernel, startConsumer, frames, print)
  print(`whole       ${frames} frames: both stamps of every line, and every checksum, were right`)
  print('tear-free   by the hand-over: no buffer was drawn into that had not been released')
  const after = kernel.live()
  const descriptors = after.descriptors - before.descriptors
  const mappings = after.mappings - before.mappings
  print(`shutdown    ${descriptors} descriptors and ${mappings} mappings left`)
  if (descriptors !== 0 || mappings !== 0) throw new DmaError('FRAMEBUFFER_LEAK', 'something was left open')
}

/** @throws FRAMEBUFFER_FRAMES for what is no number of frames that can be told apart */
export function checkFrames(frames: number): number {
  if (Number.isInteger(frames) && frames >= 1 && frames <= MOST_FRAMES) return frames
  throw new DmaError('FRAMEBUFFER_FRAMES', `${frames} is no number of frames: 1 to ${MOST_FRAMES}`)
}

async function run(
  kernel: Kernel,
  startConsumer: StartConsumer,
  frames: number,
  print: (line: string) => void,
): Promise<void> {
  const format = formatOf(854, 480)
  const [ours, theirs] = kernel.socketPair()
  const consumer = startConsumer(theirs)
  let failure: unknown
  try {
    await produce(new Channel(kernel, ours, 'consumer'), {
      format,
      frames,
      onBuffers: (framebuffers) => printBuffers(framebuffers, format, print),
      onReleased: ({ number, buffer, pictureChecksum }) =>
        print(
          `frame ${String(number).padEnd(6)}in buffer ${buffer}, picture ${hexadecimal(pictureChecksum)}`,
        ),
    })
  } catch (error) {
    failure = error
  }
  // Without its other end, a consumer that still waits has nothing left to wait for.
  kernel.close(ours)
  const how = await consumer
  if (how !== undefined && (failure === undefined || isDmaError(failure, 'FRAMEBUFFER_PEER_GONE'))) {
    throw new DmaError('FRAMEBUFFER_PEER_GONE', `the consumer did not get to its end: ${how}`)
  }
  if (failure !== undefined) throw failure
}

function printBuffers(
  framebuffers: readonly Framebuffer[],
  format: FrameFormat,
  print: (line: string) => void,
): void {
  const { width, height, stride } = format
  const { buffer, pieces } = framebuffers[0]!
  const pages = pieces.map(({ size }) => size / buffer.kernel.pageSize)
  const memfds = new Set(pieces.map(({ memory }) => memory)).size
  print(`format      ${width}x${height} XR24, ${stride} bytes a line, ${byteLengthOf(format)} bytes a frame`)
  print(
    `buffers     ${framebuffers.length} dma-bufs, each of ${pieces.length} pieces of ` +
      `${Math.min(...pages)} to ${Math.max(...pages)} pages from ${memfds} memfds`,
  )
}

function hexadecimal(checksum: number): string {
  return checksum.toString(16).padStart(8, '0')
}
