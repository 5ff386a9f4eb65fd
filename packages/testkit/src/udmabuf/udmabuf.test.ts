import { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, type Kernel, O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const page = 4096
const create = 0x40187542
const sync = 0x40086200

function opened() {
  const { kernel } = createFakeMachine()
  const udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
  const memfd = kernel.memfd('x', { byteLength: 4 * page })
  const make = (fd: number, offset: bigint, size: bigint) =>
    kernel.ioctl(udmabuf, create, struct(fd >>> 0, 0, offset, size))
  return { kernel, udmabuf, memfd, make }
}

const buffered = ({ make, memfd }: ReturnType<typeof opened>) => make(memfd, 4096n, 8192n)
const doSync = (kernel: Kernel, fd: number, flags: bigint) => () => kernel.ioctl(fd, sync, struct(flags))

describe('creating, as recorded of a live 6.12', () => {
  const machine = opened()
  const { kernel, udmabuf, memfd, make } = machine
  const sealed = (seals: number) => {
    const fd = kernel.memfd('sealed', { byteLength: page })
    kernel.addSeals(fd, seals)
    return fd
  }
  const rows: [string, () => unknown, string][] = [
    ['offset no page multiple', () => make(memfd, 1n, 4096n), 'EINVAL'],
    ['size no page multiple', () => make(memfd, 0n, 4097n), 'EINVAL'],
    ['size 0', () => make(memfd, 0n, 0n), 'EINVAL'],
    ['fd -1', () => make(-1, 0n, 4096n), 'EBADFD'],
    ['an eventfd', () => make(kernel.eventfd(), 0n, 4096n), 'EBADFD'],
    ['range beyond the end', () => make(memfd, 8192n, 12288n), 'EINVAL'],
    ['offset at the end', () => make(memfd, 16384n, 4096n), 'EINVAL'],
    ['more than 64 MiB', () => make(memfd, 0n, (64n << 20n) + 4096n), 'EINVAL'],
    ['SHRINK and WRITE sealed', () => make(sealed(F_SEAL_WRITE), 0n, 4096n), 'EINVAL'],
    ['SHRINK and FUTURE_WRITE sealed', () => make(sealed(F_SEAL_FUTURE_WRITE), 0n, 4096n), 'EINVAL'],
    ['NULL', () => kernel.ioctl(udmabuf, create, 0), 'EFAULT'],
    ['unknown ioctl', () => kernel.ioctl(udmabuf, 0x7599, 0), 'ENOTTY'],
  ]
  for (const [title, run, expected] of rows) {
    it(title, () => {
      expect(outcome(run)).toBe(expected)
    })
  }

  it('SHRINK and GROW sealed', () => {
    expect(outcome(() => make(sealed(F_SEAL_GROW), 0n, 4096n))).toMatch(/^OK/)
  })
})

describe('a dma-buf', () => {
  it('is the memory of its memfd', () => {
    const machine = opened()
    const { kernel, memfd } = machine
    const buffer = buffered(machine)
    kernel.close(memfd)
    using mapping = kernel.mmap(buffer, { byteLength: page, position: page })
    mapping.bytes[1] = 77
    kernel.close(buffer)
    expect(mapping.bytes[1]).toBe(77)
  })

  it('is mapped within its bounds, and neither read nor written', () => {
    const machine = opened()
    const { kernel } = machine
    const buffer = buffered(machine)
    expect(outcome(() => kernel.mmap(buffer, { byteLength: 3 * page }))).toBe('EINVAL')
    expect(outcome(() => kernel.mmap(buffer, { byteLength: page, position: 2 * page }))).toBe('EINVAL')
    expect(outcome(() => kernel.read(buffer, new Uint8Array(1)))).toBe('EINVAL')
    expect(outcome(() => kernel.write(buffer, new Uint8Array(1)))).toBe('EINVAL')
    expect(outcome(() => kernel.ioctl(buffer, create, 0))).toBe('ENOTTY')
  })

  it('keeps its pages from being sealed against writing', () => {
    const machine = opened()
    const { kernel, memfd } = machine
    const buffer = buffered(machine)
    expect(outcome(() => kernel.addSeals(memfd, F_SEAL_WRITE))).toBe('EBUSY')
    kernel.close(buffer)
    expect(outcome(() => kernel.addSeals(memfd, F_SEAL_WRITE))).toBe('OK(0)')
  })

  it('is synchronised with a beginning before the end', () => {
    const machine = opened()
    const { kernel } = machine
    const buffer = buffered(machine)
    expect(outcome(doSync(kernel, buffer, 4n | 3n))).toBe('EINVAL')
    expect(outcome(doSync(kernel, buffer, 0n))).toBe('EINVAL')
    expect(outcome(doSync(kernel, buffer, 8n | 3n))).toBe('EINVAL')
    expect(outcome(doSync(kernel, buffer, 3n))).toBe('OK(0)')
    expect(outcome(doSync(kernel, buffer, 3n))).toBe('OK(0)')
    expect(outcome(doSync(kernel, buffer, 4n | 1n))).toBe('OK(0)')
    expect(outcome(doSync(kernel, buffer, 4n | 3n))).toBe('OK(0)')
  })
})
