import { POLLERR, POLLIN, POLLOUT } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'
import { EventFd } from './eventfd'

const word = (value: bigint) => new Uint8Array(new BigUint64Array([value]).buffer)

it('adds up what is written and gives it at one read', () => {
  const { kernel } = createFakeMachine()
  const fd = kernel.eventfd(5)
  kernel.write(fd, word(0xffff_ffffn))
  const bytes = new Uint8Array(16)
  expect(kernel.read(fd, bytes)).toBe(8)
  expect(new BigUint64Array(bytes.buffer)[0]).toBe(0x1_0000_0004n)
  expect(outcome(() => kernel.read(fd, bytes))).toBe('EAGAIN')
})

it('refuses short transfers, positions, and what would overflow', () => {
  const { kernel } = createFakeMachine()
  const fd = kernel.eventfd(1)
  expect(outcome(() => kernel.read(fd, new Uint8Array(7)))).toBe('EINVAL')
  expect(outcome(() => kernel.write(fd, new Uint8Array(7)))).toBe('EINVAL')
  expect(outcome(() => kernel.read(fd, new Uint8Array(8), 0))).toBe('ESPIPE')
  expect(outcome(() => kernel.write(fd, word(0xffff_ffff_ffff_ffffn)))).toBe('EINVAL')
  expect(outcome(() => kernel.write(fd, word(0xffff_ffff_ffff_fffen)))).toBe('EAGAIN')
  expect(outcome(() => kernel.write(fd, word(0xffff_ffff_ffff_fffdn)))).toBe('OK(8)')
})

it('stops at its largest value when the kernel signals it', () => {
  const eventfd = new EventFd(0, () => {})
  eventfd.writeAt(word(0xffff_ffff_ffff_fffen))
  expect(eventfd.pollMask()).toBe(POLLIN)
  eventfd.signal()
  eventfd.signal()
  expect(eventfd.pollMask()).toBe(POLLIN | POLLERR)
  const bytes = new Uint8Array(8)
  eventfd.readAt(bytes)
  expect(new BigUint64Array(bytes.buffer)[0]).toBe(0xffff_ffff_ffff_ffffn)
  expect(eventfd.pollMask()).toBe(POLLOUT)
})

it('can be taken over by a listener in the kernel', () => {
  const eventfd = new EventFd(0, () => {})
  let calls = 0
  const stop = eventfd.intercept(() => calls++)
  eventfd.writeAt(word(3n))
  expect([calls, eventfd.pollMask()]).toEqual([1, POLLOUT])
  stop()
  eventfd.writeAt(word(3n))
  expect([calls, eventfd.pollMask() & POLLIN]).toEqual([1, POLLIN])
})
