import { POLLHUP, POLLIN, POLLOUT } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

it('keeps messages apart and in order', () => {
  const { kernel } = createFakeMachine()
  const [left, right] = kernel.socketPair()
  kernel.sendMessage(left, new Uint8Array([1, 2]))
  kernel.write(left, new Uint8Array([3]))
  const bytes = new Uint8Array(8)
  expect(kernel.receiveMessage(right, bytes)).toEqual({ byteLength: 2, descriptors: [] })
  expect(kernel.read(right, bytes)).toBe(1)
  expect(bytes[0]).toBe(3)
  expect(outcome(() => kernel.receiveMessage(right, bytes))).toBe('EAGAIN')
})

it('carries descriptors, which stay open on their way', () => {
  const { kernel } = createFakeMachine()
  const [left, right] = kernel.socketPair()
  const memfd = kernel.memfd('travels', { byteLength: 4096 })
  kernel.write(memfd, new Uint8Array([42]), 7)
  kernel.sendMessage(left, new Uint8Array(1), [memfd])
  kernel.close(memfd)
  const { descriptors } = kernel.receiveMessage(right, new Uint8Array(1))
  const bytes = new Uint8Array(1)
  kernel.read(descriptors[0]!, bytes, 7)
  expect(bytes[0]).toBe(42)
})

it('loses a message that does not fit, and closes what it carried', () => {
  const { kernel, setOpenFileLimit } = bound(createFakeMachine())
  const [left, right] = kernel.socketPair()
  const eventfd = kernel.eventfd()
  kernel.sendMessage(left, new Uint8Array(9), [eventfd])
  expect(outcome(() => kernel.receiveMessage(right, new Uint8Array(8)))).toBe('EMSGSIZE')
  kernel.sendMessage(left, new Uint8Array(1), [eventfd, eventfd])
  setOpenFileLimit(7)
  expect(outcome(() => kernel.receiveMessage(right, new Uint8Array(8)))).toBe('EMFILE')
  expect(kernel.live().descriptors).toBe(3)
})

it('says when the other end is gone or does not read', async () => {
  const { kernel } = createFakeMachine()
  const [left, right] = kernel.socketPair()
  const big = new Uint8Array(100_000)
  kernel.sendMessage(left, big)
  kernel.sendMessage(left, big)
  expect(outcome(() => kernel.sendMessage(left, big))).toBe('EAGAIN')
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(300_000)))).toBe('EMSGSIZE')
  expect(await kernel.poll(right, POLLIN)).toBe(POLLIN)
  const waiting = kernel.poll(left, POLLIN)
  kernel.close(right)
  expect(await waiting).toBe(POLLIN | POLLHUP)
  expect(await kernel.poll(left, POLLOUT)).toBe(POLLOUT | POLLHUP)
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(1)))).toBe('EPIPE')
  expect(kernel.receiveMessage(left, new Uint8Array(1)).byteLength).toBe(0)
})

it('is the only file that takes messages', () => {
  const { kernel } = createFakeMachine()
  const eventfd = kernel.eventfd()
  expect(outcome(() => kernel.sendMessage(eventfd, new Uint8Array(1)))).toBe('ENOTSOCK')
  expect(outcome(() => kernel.receiveMessage(eventfd, new Uint8Array(1)))).toBe('ENOTSOCK')
  const [left] = kernel.socketPair()
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(0)))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(1), [99]))).toBe('EBADF')
})

function bound(machine: ReturnType<typeof createFakeMachine>) {
  return { kernel: machine.kernel, setOpenFileLimit: (count: number) => machine.setOpenFileLimit(count) }
}
