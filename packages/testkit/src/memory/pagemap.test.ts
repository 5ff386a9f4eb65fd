import { O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const page = 4096
const huge = 0x200000
const present = 1n << 63n
const frameOf = (entry: bigint) => Number(entry & ((1n << 55n) - 1n))

function frames(machine: ReturnType<typeof createFakeMachine>, address: number, count: number): number[] {
  const entries = new BigUint64Array(count)
  expect(machine.kernel.readPagemap(address, entries)).toBe(count)
  return [...entries].map(frameOf)
}

it('gives each page a frame of its own, the same ones for the same seed', () => {
  const make = (seed: number) => {
    const machine = createFakeMachine({ seed })
    const { kernel } = machine
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 8 * page }), { byteLength: 8 * page })
    return frames(machine, mapping.address, 8)
  }
  expect(new Set(make(1)).size).toBe(8)
  expect(make(1)).toEqual(make(1))
  expect(make(1)).not.toEqual(make(2))
})

it('never puts neighbours in a buffer next to each other in physical memory, but for huge pages', () => {
  const machine = createFakeMachine({ hugePages: 1 })
  const { kernel } = machine
  const small = kernel.mmap(kernel.memfd('x', { byteLength: 4 * page }), { byteLength: 4 * page })
  const scattered = frames(machine, small.address, 4)
  expect(scattered.slice(1).some((frame, index) => frame === scattered[index]! + 1)).toBe(false)
  const memfd = kernel.memfd('x', { byteLength: huge, hugePageSize: huge })
  const large = kernel.mmap(memfd, { byteLength: huge })
  const together = frames(machine, large.address, 512)
  expect(together[0]! % 512).toBe(0)
  expect(together.every((frame, index) => frame === together[0]! + index)).toBe(true)
})

it('keeps the frames from the unprivileged, and shows nothing where nothing is', () => {
  const machine = createFakeMachine({ uid: 1000 })
  const { kernel } = machine
  const mapping = kernel.mmap(kernel.memfd('x', { byteLength: page }), { byteLength: page })
  const entries = new BigUint64Array(2)
  kernel.readPagemap(mapping.address + 5, entries)
  expect(entries[0]! & present).toBe(present)
  expect(frameOf(entries[0]!)).toBe(0)
  expect(entries[1]).toBe(0n)
  machine.setCapabilities(['CAP_SYS_ADMIN'])
  expect(frames(machine, mapping.address, 1)[0]).toBeGreaterThan(0)
})

it('shows nothing for a dma-buf mapping', () => {
  const { kernel } = createFakeMachine()
  const memfd = kernel.memfd('x', { byteLength: page })
  const buffer = kernel.ioctl(kernel.open('/dev/udmabuf', O_RDWR), 0x40187542, struct(memfd, 0, 0n, 4096n))
  const mapping = kernel.mmap(buffer, { byteLength: page })
  const entries = new BigUint64Array([1n])
  kernel.readPagemap(mapping.address, entries)
  expect(entries[0]).toBe(0n)
})
