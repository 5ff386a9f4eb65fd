import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  O_RDONLY,
} from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

const page = 4096
const huge = 0x200000

function memfd(byteLength = page) {
  const { kernel } = createFakeMachine()
  return { kernel, fd: kernel.memfd('x', { byteLength }) }
}

describe('seals', () => {
  it('begin with SHRINK and add up', () => {
    const { kernel, fd } = memfd()
    expect(kernel.getSeals(fd)).toBe(F_SEAL_SHRINK)
    kernel.addSeals(fd, F_SEAL_GROW)
    kernel.addSeals(fd, F_SEAL_SEAL)
    expect(kernel.getSeals(fd)).toBe(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('EPERM')
    expect(outcome(() => kernel.addSeals(fd, 0x100))).toBe('EINVAL')
  })

  it('against writing wait until nobody can write', () => {
    const { kernel, fd } = memfd()
    const writable = kernel.mmap(fd, { byteLength: page })
    const readable = kernel.mmap(fd, { byteLength: page, access: 'read' })
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('EBUSY')
    writable.close()
    // Its descriptor allows writing, and so it could come to that.
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('EBUSY')
    readable.close()
    const readOnly = kernel.open(`/proc/self/fd/${fd}`, O_RDONLY)
    const kept = kernel.mmap(readOnly, { byteLength: page, access: 'read' })
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('OK(0)')
    kept.close()
    expect(outcome(() => kernel.mmap(fd, { byteLength: page }))).toBe('EPERM')
    expect(outcome(() => kernel.write(fd, new Uint8Array(1), 0))).toBe('EPERM')
    expect(outcome(() => kernel.mmap(fd, { byteLength: page, access: 'read' }).close())).toBe('OK(0)')
  })

  it('against future writing leave the mappings that are there', () => {
    const { kernel, fd } = memfd()
    const mapping = kernel.mmap(fd, { byteLength: page })
    kernel.addSeals(fd, F_SEAL_FUTURE_WRITE)
    mapping.bytes[0] = 5
    const bytes = new Uint8Array(1)
    kernel.read(fd, bytes, 0)
    expect(bytes[0]).toBe(5)
    expect(outcome(() => kernel.mmap(fd, { byteLength: page }))).toBe('EPERM')
    expect(outcome(() => kernel.write(fd, bytes, 0))).toBe('EPERM')
  })

  it('are for memfds only', () => {
    const { kernel } = memfd()
    expect(outcome(() => kernel.getSeals(kernel.eventfd()))).toBe('EINVAL')
    expect(outcome(() => kernel.addSeals(kernel.eventfd(), F_SEAL_SEAL))).toBe('EINVAL')
  })
})

describe('reading and writing', () => {
  it('end at the end of the file', () => {
    const { kernel, fd } = memfd(10)
    expect(kernel.write(fd, new Uint8Array([1, 2, 3, 4]), 8)).toBe(2)
    const bytes = new Uint8Array(4)
    expect(kernel.read(fd, bytes, 7)).toBe(3)
    expect([...bytes]).toEqual([0, 1, 2, 0])
    expect(kernel.read(fd, bytes, 10)).toBe(0)
    expect(outcome(() => kernel.write(fd, bytes, 10))).toBe('EFBIG')
    kernel.addSeals(fd, F_SEAL_GROW)
    expect(outcome(() => kernel.write(fd, bytes, 10))).toBe('EPERM')
  })
})

describe('huge pages', () => {
  it('have to be there, and are taken by mappings', () => {
    const { kernel } = createFakeMachine({ hugePages: 2 })
    const nodes = '/sys/kernel/mm/hugepages/hugepages-2048kB'
    const fd = kernel.memfd('x', { byteLength: 3 * huge, hugePageSize: huge })
    expect(outcome(() => kernel.mmap(fd, { byteLength: 3 * huge }))).toBe('ENOMEM')
    const mapping = kernel.mmap(fd, { byteLength: 2 * huge })
    expect(mapping.address % huge).toBe(0)
    expect(kernel.readText(`${nodes}/free_hugepages`)).toBe('0\n')
    kernel.writeText(`${nodes}/nr_hugepages`, '1')
    expect(kernel.readText(`${nodes}/nr_hugepages`)).toBe('2\n')
    kernel.writeText(`${nodes}/nr_hugepages`, '3\n')
    const rest = kernel.mmap(fd, { byteLength: huge, position: 2 * huge })
    // Mapping the same pages again takes no more of them.
    kernel.mmap(fd, { byteLength: huge }).close()
    mapping.close()
    rest.close()
    expect(kernel.readText(`${nodes}/free_hugepages`)).toBe('0\n')
    kernel.close(fd)
    expect(kernel.readText(`${nodes}/free_hugepages`)).toBe('3\n')
    expect(outcome(() => kernel.writeText(`${nodes}/nr_hugepages`, 'many'))).toBe('EINVAL')
  })

  it('come whole', () => {
    const { kernel } = createFakeMachine({ hugePages: 4 })
    expect(outcome(() => kernel.memfd('x', { byteLength: page, hugePageSize: huge }))).toBe('EINVAL')
    expect(outcome(() => kernel.memfd('x', { byteLength: huge, hugePageSize: 0x40000000 }))).toBe('ENODEV')
    const fd = kernel.memfd('x', { byteLength: 2 * huge, hugePageSize: huge })
    expect(kernel.mmap(fd, { byteLength: page }).byteLength).toBe(page)
    expect(outcome(() => kernel.mmap(fd, { byteLength: huge, position: page }))).toBe('EINVAL')
    expect(outcome(() => kernel.write(fd, new Uint8Array(1), 0))).toBe('EINVAL')
  })
})

it('refuses sizes and options that are none, and more than the host has', () => {
  const { kernel } = memfd()
  expect(outcome(() => kernel.memfd('x', { byteLength: 0 }))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => kernel.memfd('x', { byteLength: 1, size: 1 } as never))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => kernel.memfd('', { byteLength: 1 }))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => kernel.memfd('x', { byteLength: 2 ** 52 }))).toBe('ENOMEM')
})
