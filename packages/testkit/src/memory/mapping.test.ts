import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

const page = 4096

function mapped(byteLength = page) {
  const { kernel } = createFakeMachine()
  const fd = kernel.memfd('x', { byteLength })
  return { kernel, fd, mapping: kernel.mmap(fd, { byteLength }) }
}

describe('a mapping', () => {
  it('is the bytes of the file, at an address of its own with a hole around it', () => {
    const { kernel, fd, mapping } = mapped(4 * page)
    const second = kernel.mmap(fd, { byteLength: page + 1, position: page })
    mapping.bytes[page + 3] = 7
    expect(second.bytes[3]).toBe(7)
    expect(second.byteLength).toBe(page + 1)
    expect(second.bytes.byteLength).toBe(page + 1)
    expect(second.address).toBeGreaterThanOrEqual(mapping.address + 5 * page)
    expect(mapping.address % page).toBe(0)
    expect(mapping.bytes).toBe(mapping.bytes)
  })

  it('outlives its descriptor', () => {
    const { kernel, fd, mapping } = mapped()
    mapping.bytes[0] = 1
    kernel.close(fd)
    expect(mapping.bytes[0]).toBe(1)
    mapping.close()
    expect(kernel.live()).toEqual({ descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 })
  })

  it('is counted while it is open', () => {
    const { kernel, mapping } = mapped(3 * page)
    expect(kernel.live()).toMatchObject({ mappings: 1, mappedBytes: 3 * page })
    mapping.close()
    mapping.close()
    expect(kernel.live()).toMatchObject({ mappings: 0, mappedBytes: 0 })
  })
})

describe('after close', () => {
  it('late reads give zeros, and late writes are seen by late reads alone: the file keeps its bytes', () => {
    const { kernel, fd, mapping } = mapped()
    const { bytes } = mapping
    bytes.fill(0xaa)
    mapping.close()
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    bytes.fill(0x55)
    expect(bytes.every((byte) => byte === 0x55)).toBe(true)
    const again = kernel.mmap(fd, { byteLength: page })
    expect(again.bytes.every((byte) => byte === 0xaa)).toBe(true)
    expect(outcome(() => mapping.bytes)).toBe('DMA_CLOSED')
    expect(mapping.closed).toBe(true)
  })

  it('the buffer is detached where that was asked for', () => {
    const { kernel, fd, mapping } = mapped()
    const { bytes } = mapping
    bytes.fill(0xaa)
    mapping.close({ detach: true })
    expect(bytes.byteLength).toBe(0)
    const read = new Uint8Array(1)
    kernel.read(fd, read, 0)
    expect(read[0]).toBe(0xaa)
  })

  it('a view of one of two mappings sees the bytes until the other closes: the limit of the fake', () => {
    const { kernel, fd, mapping } = mapped()
    const second = kernel.mmap(fd, { byteLength: page })
    const late = mapping.bytes
    late[0] = 9
    mapping.close({ detach: true })
    expect(late[0]).toBe(9)
    second.close()
    expect(late[0]).toBe(0)
  })

  it('refuses a misspelled option before anything happens', () => {
    const { mapping } = mapped()
    expect(outcome(() => mapping.close({ detatch: true } as never))).toBe('DMA_INVALID_ARGUMENT')
    expect(mapping.closed).toBe(false)
  })

  it('works through the life of a using block', () => {
    const { kernel, fd, mapping } = mapped()
    mapping.close()
    {
      using inner = kernel.mmap(fd, { byteLength: page })
      expect(inner.closed).toBe(false)
    }
    expect(kernel.live().mappings).toBe(0)
  })
})

describe('mlock', () => {
  it('refuses ranges outside, closed mappings and those of another kernel', () => {
    const { kernel, mapping } = mapped(2 * page)
    expect(outcome(() => kernel.mlock(mapping, page, page + 1))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => kernel.mlock({ ...mapping } as never))).toBe('DMA_INVALID_ARGUMENT')
    mapping.close()
    expect(outcome(() => kernel.mlock(mapping))).toBe('DMA_CLOSED')
  })
})

describe('mmap', () => {
  it('refuses what is no range, access or option', () => {
    const { kernel, fd } = mapped()
    for (const options of [
      { byteLength: 0 },
      { byteLength: page, position: 1 },
      { byteLength: page, access: 'write' },
      { byteLength: page, lenght: 1 },
    ]) {
      expect(outcome(() => kernel.mmap(fd, options as never))).toBe('DMA_INVALID_ARGUMENT')
    }
  })

  it('refuses what Linux would answer with SIGBUS, and files that have no memory', () => {
    const { kernel, fd } = mapped()
    expect(outcome(() => kernel.mmap(fd, { byteLength: page + 1 }))).toBe('DMA_BEYOND_END')
    expect(outcome(() => kernel.mmap(kernel.eventfd(), { byteLength: page }))).toBe('ENODEV')
    expect(outcome(() => kernel.mapRegisters(fd, { byteLength: page }))).toBe('ENODEV')
  })
})

it('survives a hundred thousand short lives', () => {
  const { kernel, fd, mapping } = mapped()
  const start = mapping.address
  for (let i = 0; i < 100_000; i++) kernel.mmap(fd, { byteLength: page }).close()
  expect(kernel.live().mappings).toBe(1)
  expect(kernel.mmap(fd, { byteLength: page }).address).toBeGreaterThan(start)
})
