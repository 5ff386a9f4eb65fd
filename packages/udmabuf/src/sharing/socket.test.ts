import { isDmaError, type Kernel } from '@linux-dma/core'
import { createFakeMachine, type FakeMachine } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import type { DmaBuf } from '../dma-buf/dma-buf'
import { createUdmabuf } from '../udmabuf/create-udmabuf'
import { acceptPeer, closePeer, receiveDmaBuf, sendDmaBuf } from './socket'

/** A machine, a buffer, and a pair of streams of which the first has no room left. */
async function withFullStream(
  test: (full: {
    machine: FakeMachine
    kernel: Kernel
    buffer: DmaBuf
    ours: number
    theirs: number
  }) => Promise<void>,
): Promise<void> {
  const machine = createFakeMachine()
  const { kernel } = machine
  const listener = kernel.listen('/tmp/stream', { type: 'stream' })
  const ours = kernel.connect('/tmp/stream', { type: 'stream' })
  const theirs = await acceptPeer(listener, { kernel })
  closePeer(listener, { kernel })
  kernel.unlink('/tmp/stream')
  const buffer = createUdmabuf({ size: 4096, kernel })
  try {
    for (;;) kernel.sendMessage(ours, new Uint8Array(4096))
  } catch (error) {
    expect(isDmaError(error, 'EAGAIN')).toBe(true)
  }
  await test({ machine, kernel, buffer, ours, theirs })
  buffer.close()
  closePeer(theirs, { kernel })
  machine.assertQuiescent()
}

/** Two connected sockets, of which the first has a number that was given back. */
function pairWith(kernel: Kernel, number: number): [number, number] {
  const [first, second] = kernel.socketPair()
  expect([first, second]).toContain(number)
  return first === number ? [first, second] : [second, first]
}

const codeOf = async (call: Promise<unknown>) => {
  try {
    await call
    return 'done'
  } catch (error) {
    return (error as { code?: string; name: string }).code ?? (error as Error).name
  }
}

it.each(['closePeer', 'kernel.close'])('nothing that waits goes to who has the number next: %s', (how) =>
  withFullStream(async ({ kernel, buffer, ours }) => {
    const sends = [1, 2, 3].map(() => codeOf(sendDmaBuf(ours, buffer, { message: new Uint8Array(10) })))
    await kernel.clock.sleep(1)
    if (how === 'closePeer') closePeer(ours, { kernel })
    else kernel.close(ours)
    const [next, stranger] = pairWith(kernel, ours)
    expect(await Promise.all(sends)).toEqual(['DMA_CLOSED', 'DMA_CLOSED', 'DMA_CLOSED'])
    await kernel.clock.sleep(1)
    expect(() => kernel.receiveMessage(stranger, new Uint8Array(16))).toThrow('EAGAIN')
    for (const socket of [next, stranger]) closePeer(socket, { kernel })
  }),
)

it.each(['closePeer', 'kernel.close'])(
  'nor what waits behind a message whose buffer is closed as well: %s',
  (how) =>
    withFullStream(async ({ kernel, buffer, ours }) => {
      const closing = createUdmabuf({ size: 4096, kernel })
      const sends = [closing, buffer].map((each) => codeOf(sendDmaBuf(ours, each)))
      await kernel.clock.sleep(1)
      closing.close()
      if (how === 'closePeer') closePeer(ours, { kernel })
      else kernel.close(ours)
      const [next, stranger] = pairWith(kernel, ours)
      expect(await Promise.all(sends)).toEqual(['DMA_CLOSED', 'DMA_CLOSED'])
      expect(() => kernel.receiveMessage(stranger, new Uint8Array(16))).toThrow('EAGAIN')
      for (const socket of [next, stranger]) closePeer(socket, { kernel })
    }),
)

it('lets a new connection wait whose number a closed one had', () =>
  withFullStream(async ({ kernel, buffer, ours }) => {
    const old = codeOf(receiveDmaBuf(ours, { kernel }))
    closePeer(ours, { kernel })
    const [next, other] = pairWith(kernel, ours)
    const received = receiveDmaBuf(next, { kernel })
    await sendDmaBuf(other, buffer)
    expect(await old).toBe('DMA_CLOSED')
    const got = await received
    expect(got?.buffers).toHaveLength(1)
    got?.buffers[0]?.close()
    for (const socket of [next, other]) closePeer(socket, { kernel })
  }))

it('sends nothing behind a message that went in part', () =>
  withFullStream(async ({ kernel, buffer, ours, theirs }) => {
    kernel.receiveMessage(theirs, new Uint8Array(65_536))
    const abort = new AbortController()
    const message = new Uint8Array(1 << 20)
    const torn = codeOf(sendDmaBuf(ours, buffer, { message, signal: abort.signal }))
    const behind = codeOf(sendDmaBuf(ours, buffer))
    await kernel.clock.sleep(1)
    abort.abort()
    expect([await torn, await behind]).toEqual([20, 'DMA_CLOSED'])
    closePeer(ours, { kernel })
  }))

it('goes on behind one that gave up before any of it went, or could not be sent', () =>
  withFullStream(async ({ kernel, buffer, ours, theirs }) => {
    const abort = new AbortController()
    const first = codeOf(sendDmaBuf(ours, buffer, { signal: abort.signal }))
    const closing = createUdmabuf({ size: 4096, kernel })
    const second = codeOf(sendDmaBuf(ours, closing))
    const third = codeOf(sendDmaBuf(ours, buffer))
    abort.abort()
    expect(await first).toBe(20)
    closing.close()
    const drain = async () => {
      for (;;) {
        const got = await receiveDmaBuf(theirs, { kernel, byteLength: 65_536 })
        for (const each of got?.buffers ?? []) each.close()
        if (got?.buffers.length) return
      }
    }
    await drain()
    expect([await second, await third]).toEqual(['DMA_CLOSED', 'done'])
    closePeer(ours, { kernel })
  }))
