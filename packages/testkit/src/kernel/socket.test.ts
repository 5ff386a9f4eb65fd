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
  // As on Linux: what is sent when there is any room left is taken whole.
  for (let sent = 0; sent < 3; sent++) kernel.sendMessage(left, big)
  expect(outcome(() => kernel.sendMessage(left, big))).toBe('EAGAIN')
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(300_000)))).toBe('EMSGSIZE')
  expect(await kernel.poll(right, POLLIN)).toBe(POLLIN)
  const waiting = kernel.poll(left, POLLIN)
  for (let read = 0; read < 3; read++) kernel.receiveMessage(right, big)
  kernel.close(right)
  expect(await waiting).toBe(POLLIN | POLLHUP)
  expect(await kernel.poll(left, POLLOUT)).toBe(POLLOUT | POLLHUP)
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(1)))).toBe('EPIPE')
  expect(kernel.receiveMessage(left, new Uint8Array(1)).byteLength).toBe(0)
})

it('has so many descriptors on their way, and no more of a user without privileges', () => {
  const machine = createFakeMachine({ uid: 1000, openFileLimit: 64 })
  const { kernel } = machine
  const [left, right] = kernel.socketPair()
  const many = new Array(60).fill(left)
  kernel.sendMessage(left, new Uint8Array(1), many)
  kernel.sendMessage(left, new Uint8Array(1), many)
  expect(outcome(() => kernel.sendMessage(left, new Uint8Array(1), [left]))).toBe('ETOOMANYREFS')
  kernel.sendMessage(left, new Uint8Array(1))
  kernel.read(right, new Uint8Array(1))
  kernel.sendMessage(left, new Uint8Array(1), [left])
  expect(kernel.readText(`/proc/self/fdinfo/${right}`)).toContain('scm_fds: 61\n')
  machine.setCapabilities(['CAP_SYS_ADMIN'])
  kernel.sendMessage(left, new Uint8Array(1), many)
  kernel.sendMessage(left, new Uint8Array(1), many)
  kernel.close(right)
  kernel.close(left)
  machine.assertQuiescent()
})

it('keeps the bytes of a stream where no descriptor could be opened for what came with them', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const listener = kernel.listen('\0here')
  const near = kernel.connect('\0here')
  const far = kernel.accept(listener)
  kernel.sendMessage(near, new Uint8Array([1]), [listener])
  kernel.sendMessage(near, new Uint8Array([2]))
  machine.setOpenFileLimit(6)
  expect(outcome(() => kernel.receiveMessage(far, new Uint8Array(8)))).toBe('EMFILE')
  expect(outcome(() => kernel.accept(listener))).toBe('EMFILE')
  const bytes = new Uint8Array(8)
  expect(kernel.receiveMessage(far, bytes)).toEqual({ byteLength: 1, descriptors: [] })
  expect(bytes[0]).toBe(2)
  for (const fd of [near, far, listener]) kernel.close(fd)
  machine.assertQuiescent()
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
