import assert from 'node:assert/strict'
import type { Kernel } from '@linux-dma/core'
import { createUdmabuf, type DmaBuf, receiveDmaBuf } from '@linux-dma/udmabuf'
import type { Host } from './host'
import { withoutLeaks } from './with-device'

/** Two ends of a stream. */
export function streamPair(kernel: Kernel): [number, number] {
  const path = '\0linux-dma stream'
  const listener = kernel.listen(path)
  try {
    const client = kernel.connect(path)
    return [client, kernel.accept(listener)]
  } finally {
    kernel.close(listener)
  }
}

/** Sends until there is no room. @returns the number of messages, which begin with 9 */
export function fillUp(kernel: Kernel, socket: number): number {
  const message = new Uint8Array(16_384)
  message[0] = 9
  for (let count = 0; ; count++) {
    try {
      kernel.sendMessage(socket, message)
    } catch (error) {
      assert.equal((error as { code: string }).code, 'EAGAIN')
      return count
    }
  }
}

type OverBoth = (ours: number, theirs: number, hangUp: (socket: number) => void) => void | Promise<void>
type OverMessages = (buffer: DmaBuf, ours: number, theirs: number) => void | Promise<void>

/** What the suites of sockets share: a test over a pair of each kind, or of one, and what has come. */
export function overSockets(host: Host) {
  const { kernel } = host
  const receive = (socket: number, options = {}) => receiveDmaBuf(socket, { kernel, ...options })

  /** Over messages, and over a stream; `hangUp` closes one of the two ends early. */
  const overBoth = (test: OverBoth) => async () => {
    for (const connect of [() => kernel.socketPair(), () => streamPair(kernel)]) {
      await withoutLeaks(host, async () => {
        const sockets = connect()
        const open = new Set(sockets)
        await test(...sockets, (socket) => {
          open.delete(socket)
          kernel.close(socket)
        })
        for (const socket of open) kernel.close(socket)
      })
    }
  }

  /** Over messages alone, with a buffer to send. */
  const overMessages = (test: OverMessages) => () =>
    withoutLeaks(host, async () => {
      const sockets = kernel.socketPair()
      using buffer = createUdmabuf({ size: kernel.pageSize, kernel })
      await test(buffer, ...sockets)
      for (const socket of sockets) kernel.close(socket)
    })

  /** Receives so many bytes, and closes the buffers that came along. */
  const receiveBytes = async (socket: number, byteLength: number) => {
    const parts: Uint8Array[] = []
    /** Of each buffer, how many bytes had come before the message that brought it. */
    const positions: number[] = []
    for (let length = 0; length < byteLength; ) {
      const got = await receive(socket, { byteLength: 100_000 })
      assert.ok(got, `the end after ${length} bytes`)
      for (const buffer of got.buffers) {
        positions.push(length)
        buffer.close()
      }
      parts.push(got.message)
      length += got.message.length
    }
    return { bytes: Buffer.concat(parts), positions }
  }

  return { receive, receiveBytes, overBoth, overMessages }
}
