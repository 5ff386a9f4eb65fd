import { type Kernel, POLLOUT, type SocketType } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { createFakeMachine } from '../machine'

/** Messages of a length that a socket takes when nobody reads, and the bytes of them all. */
function taken(type: SocketType, byteLength: number): { sends: number; bytes: number; reads: number } {
  const { kernel } = createFakeMachine()
  const listener = kernel.listen('\0full', { type })
  const near = kernel.connect('\0full', { type })
  const far = kernel.accept(listener)
  const message = new Uint8Array(byteLength)
  let sends = 0
  let bytes = 0
  for (let sent = trySend(kernel, near, message); sent > 0; sent = trySend(kernel, near, message)) {
    sends++
    bytes += sent
  }
  let reads = 0
  while (!isWritable(kernel, near)) {
    kernel.read(far, message)
    reads++
  }
  return { sends, bytes, reads }
}

function trySend(kernel: Kernel, fd: number, message: Uint8Array): number {
  try {
    return kernel.sendMessage(fd, message)
  } catch {
    return 0
  }
}

function isWritable(kernel: Kernel, fd: number): boolean {
  const controller = new AbortController()
  kernel.poll(fd, POLLOUT, { signal: controller.signal }).catch(() => {})
  // What is ready is not waited for.
  const ready = kernel.live().watches === 0
  controller.abort()
  return ready
}

// Counted on Linux 6.18, the same on every 64-bit machine with pages of 4 KiB and the default net.core.wmem_default.
it.each([
  ['stream', 1, 278, 278, 209],
  ['seqpacket', 1, 278, 278, 209],
  ['stream', 200, 167, 33_400, 126],
  ['stream', 1000, 93, 93_000, 70],
  ['seqpacket', 1000, 93, 93_000, 70],
  ['stream', 2000, 49, 98_000, 37],
  ['stream', 4096, 44, 180_224, 34],
  ['seqpacket', 4096, 26, 106_496, 20],
  ['stream', 5000, 34, 170_000, 26],
  ['stream', 8192, 24, 196_608, 19],
  ['seqpacket', 16_384, 11, 180_224, 9],
  ['stream', 32_768, 7, 229_376, 6],
  ['seqpacket', 32_768, 6, 196_608, 5],
  ['stream', 40_000, 6, 236_544, 5],
  ['seqpacket', 65_536, 4, 262_144, 4],
  ['stream', 100_000, 3, 236_544, 2],
  ['seqpacket', 100_000, 3, 300_000, 3],
  ['stream', 300_000, 1, 219_264, 1],
  ['seqpacket', 212_960, 1, 212_960, 1],
  ['seqpacket', 212_961, 0, 0, 0],
] as const)('is used up as on Linux: %s, %i bytes', (type, byteLength, sends, bytes, reads) => {
  expect(taken(type, byteLength)).toEqual({ sends, bytes, reads })
})
