import { expect, it } from 'vitest'
import { FaultPlan } from '../fault-plan'
import { failureOf } from '../fixtures/outcome'
import { FrameAllocator } from '../memory/frames'
import { createRandom } from '../prng'
import { directDma, type KernelDma, translatedDma } from './kernel-dma'
import { transferThrough } from './transfer'

const page = 4096
const parts = () => ({ frames: new FrameAllocator(createRandom(1)), faultPlan: new FaultPlan() })

function reads(dma: KernelDma, address: number, byteLength: number): number[] | undefined {
  const bytes = new Uint8Array(byteLength)
  return transferThrough(dma, address, bytes, 'read', () => {}) ? [...bytes] : undefined
}

it('without an IOMMU, memory is in one piece at its physical address', () => {
  const dma = directDma(parts())
  const memory = dma.allocateCoherent(3 * page, 28)
  expect(memory.dmaAddress).toBeLessThan(2 ** 28)
  memory.storage.bytes(page - 1, 2).set([1, 2])
  expect(reads(dma, memory.dmaAddress + page - 1, 2)).toEqual([1, 2])
  expect(failureOf(() => dma.allocateCoherent(4 * 1024 * 1024 + 1, 32))).toBe('ENOMEM')
  expect(failureOf(() => dma.allocateCoherent(page, 24))).toBe('ENOMEM')
  memory.free()
  expect(reads(dma, memory.dmaAddress, 1)).toBeUndefined()
})

it('behind an IOMMU, memory is at the highest free address below the mask, until it is freed', () => {
  const dma = translatedDma(parts())
  const first = dma.allocateCoherent(3 * page, 32)
  const second = dma.allocateCoherent(page, 64)
  const narrow = dma.allocateCoherent(page, 28)
  expect([first, second, narrow].map(({ dmaAddress }) => dmaAddress)).toEqual([
    0xffff_c000, 0xffff_f000, 0x0fff_f000,
  ])
  first.storage.bytes(page - 1, 2).set([1, 2])
  expect(reads(dma, first.dmaAddress + page - 1, 2)).toEqual([1, 2])
  first.free()
  expect(reads(dma, first.dmaAddress, 1)).toBeUndefined()
  expect(dma.allocateCoherent(3 * page, 32).dmaAddress).toBe(first.dmaAddress)
})

it('where messages of interrupts go is never given out', () => {
  const dma = translatedDma(parts())
  const size = 8 * 1024 * 1024
  const addresses = [0, 1, 2].map(() => dma.allocateCoherent(size, 32).dmaAddress)
  expect(addresses).toEqual([0xff80_0000, 0xff00_0000, 0xfe00_0000])
})

it('is ENOMEM where no address is left', () => {
  const dma = translatedDma(parts())
  dma.allocateCoherent(page, 13)
  expect(failureOf(() => dma.allocateCoherent(page, 13))).toBe('ENOMEM')
})
