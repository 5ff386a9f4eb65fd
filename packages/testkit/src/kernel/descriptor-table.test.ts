import { O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

it('gives the lowest free number, from 3 on', () => {
  const { kernel } = createFakeMachine()
  expect([kernel.eventfd(), kernel.eventfd(), kernel.eventfd()]).toEqual([3, 4, 5])
  kernel.close(4)
  expect([kernel.eventfd(), kernel.eventfd()]).toEqual([4, 6])
})

it('refuses to close twice', () => {
  const { kernel } = createFakeMachine()
  const fd = kernel.eventfd()
  kernel.close(fd)
  expect(outcome(() => kernel.close(fd))).toBe('EBADF')
})

it('stops at RLIMIT_NOFILE, for every call that makes descriptors, and leaves nothing behind', () => {
  const machine = createFakeMachine({ openFileLimit: 5 })
  const { kernel } = machine
  kernel.eventfd()
  expect(outcome(() => kernel.socketPair())).toBe('EMFILE')
  kernel.eventfd()
  expect(outcome(() => kernel.eventfd())).toBe('EMFILE')
  expect(outcome(() => kernel.memfd('x', { byteLength: 1 }))).toBe('EMFILE')
  expect(outcome(() => kernel.open('/dev/vfio/vfio', O_RDWR))).toBe('EMFILE')
  expect(kernel.live().descriptors).toBe(2)
  machine.setOpenFileLimit(6)
  expect(outcome(() => kernel.eventfd())).toBe('OK(5)')
})

it('keeps to how a file was opened', () => {
  const { kernel } = createFakeMachine()
  const status = kernel.open('/proc/self/status', O_RDONLY)
  expect(outcome(() => kernel.write(status, new Uint8Array(1)))).toBe('EBADF')
  const probe = kernel.open('/sys/bus/pci/drivers_probe', O_WRONLY)
  expect(outcome(() => kernel.read(probe, new Uint8Array(1)))).toBe('EBADF')
  expect(outcome(() => kernel.open('/proc/self/status', 3))).toBe('EINVAL')
})

it('moves the position of reads that give none', () => {
  const { kernel } = createFakeMachine()
  const fd = kernel.open('/proc/self/limits', O_RDONLY)
  const [first, second] = [new Uint8Array(5), new Uint8Array(6)]
  kernel.read(fd, first)
  kernel.read(fd, second, 100)
  kernel.read(fd, second)
  expect(new TextDecoder().decode(first)).toBe('Limit')
  expect(new TextDecoder().decode(second)).toBe('      ')
})

it('fails as Node does: code, errno, syscall, path and what is wrong', () => {
  const { kernel } = createFakeMachine({ uid: 1000 })
  expect(() => kernel.open('/dev/udmabuf', O_RDWR)).toThrow(
    expect.objectContaining({
      code: 'EACCES',
      errno: -13,
      syscall: 'open',
      path: '/dev/udmabuf',
      message:
        "EACCES: permission denied, open '/dev/udmabuf': mode 0600, owner 0:0, and this process is uid 1000\n" +
        "  hint: as root, once: chown 1000 /dev/udmabuf; on a fake machine: machine.chown('/dev/udmabuf', 1000)",
    }),
  )
  expect(() => kernel.ioctl(kernel.eventfd(), 0x1234)).toThrow(
    expect.objectContaining({ code: 'ENOTTY', errno: -25, syscall: 'ioctl(0x1234)' }),
  )
})
