import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaAttribute,
  DmaDevice,
  DmaDirection,
  DmaError,
  type DmaMemory,
  directOps,
  dmaBitMask,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  dmaSetMaxSegSize,
  getDmaOps,
  isDmaError,
  physicalAddressAt,
  readFrames,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, type FakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainOps, withEngine } from '../../test-support/device'
import { mapChunks } from '../chunks/map-chunks'
import { SgTable } from '../table/sg-table'
import { dmaMapSgtable } from './map-sgtable'
import type { DmaSegments } from './mapped-segments'

const PAGE = 4096
const { ToDevice, FromDevice } = DmaDirection

interface DirectOptions {
  machine?: Parameters<typeof createFakeMachine>[0]
  busLimit?: bigint
}

/** A device without an IOMMU, on a machine whose base pages run backwards; checks that nothing is left. */
function withDirect(
  test: (device: DmaDevice, kernel: FakeMachine['kernel'], machine: FakeMachine) => void,
  { machine: options = {}, busLimit = dmaBitMask(64) }: DirectOptions = {},
): void {
  const machine = createFakeMachine({ iommu: 'off', ...options })
  const { kernel } = machine
  const device = new DmaDevice('bare', kernel, directOps({ unsafePhysicalAddresses: true, kernel, busLimit }))
  dmaSetMaskAndCoherent(device, dmaBitMask(64))
  test(device, kernel, machine)
  expect(device.children.size).toBe(0)
  device.close()
  machine.assertQuiescent()
}

const seen = (segments: DmaSegments) =>
  Array.from(segments, ({ dmaAddress, dmaLength }) => [toNumber(dmaAddress), dmaLength])

function failureOf(action: () => unknown): { code?: string; cause?: { code?: string }; hint?: string } {
  try {
    action()
  } catch (error) {
    if (isDmaError(error)) return error as never
  }
  throw new Error('no DmaError was thrown')
}

describe('a table of memory on a path of physical addresses', () => {
  it('is a segment for each piece of what is one in the buffer', () => {
    withDirect((device, kernel) => {
      using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel })
      for (const table of [
        SgTable.fromBuffers([memory.bytes]),
        SgTable.fromPages([0, 1, 2, 3], { memory }),
        SgTable.fromSegments([{ page: 0, byteOffset: 0, byteLength: 4 * PAGE }], { memory }),
      ]) {
        expect(table.origNents).toBe(1)
        using mapped = dmaMapSgtable(device, table, ToDevice)
        expect(mapped.nents).toBe(4)
        expect(seen(mapped)).toEqual([...readFrames(memory)].map((frame) => [frame * PAGE, PAGE]))
      }
      expect(memory.isPinned(0, 1)).toBe(false)
    })
  })

  it('stays one where its pages follow each other', () => {
    withDirect(
      (device, kernel) => {
        dmaSetMaxSegSize(device, 0x40_0000)
        using memory = allocateDmaMemory({ byteLength: 0x40_0000, kernel, hugePageSize: 0x20_0000 })
        using mapped = dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes.subarray(100)]), ToDevice)
        const start = toNumber(physicalAddressAt(memory, 100))
        expect(seen(mapped)).toEqual([[start, 0x40_0000 - 100]])
      },
      { machine: { hugePages: 2 } },
    )
  })

  it('says of each byte where it lies', () => {
    const part = fc.record({
      start: fc.nat(16 * PAGE - 1),
      byteLength: fc.integer({ min: 1, max: 3 * PAGE }),
    })
    withDirect((device, kernel) => {
      using one = allocateDmaMemory({ byteLength: 19 * PAGE, kernel })
      using other = allocateDmaMemory({ byteLength: 19 * PAGE, kernel })
      using _pins = one.pin()
      using _others = other.pin()
      const frames = new Map<DmaMemory, Float64Array>([
        [one, readFrames(one)],
        [other, readFrames(other)],
      ])
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.boolean(), part), { minLength: 1, maxLength: 12 }), (parts) => {
          const bytes = parts.flatMap(([first, { start, byteLength }]) => {
            const memory = first ? one : other
            return Array.from({ length: byteLength }, (_, i) => {
              const at = start + i
              return frames.get(memory)![Math.floor(at / PAGE)]! * PAGE + (at % PAGE)
            })
          })
          const views = parts.map(([first, { start, byteLength }]) =>
            (first ? one : other).bytes.subarray(start, start + byteLength),
          )
          using mapped = dmaMapSgtable(device, SgTable.fromBuffers(views), ToDevice)
          const reached = seen(mapped).flatMap(([address, length]) =>
            Array.from({ length: length! }, (_, i) => address! + i),
          )
          expect(reached.length).toBe(bytes.length)
          expect(reached.every((address, i) => address === bytes[i])).toBe(true)
        }),
        { numRuns: 60 },
      )
    })
  })

  it('takes one pin for each memory, however many segments it has, and none where there is one', () => {
    withDirect((device, kernel) => {
      const memory = allocateDmaMemory({ byteLength: 3000 * PAGE, kernel })
      const pages = Array.from({ length: 1500 }, (_, i) => (i * 2 * 7) % 3000)
      const table = SgTable.fromPages(pages, { memory })
      expect(table.origNents).toBe(1500)
      const before = kernel.live().descriptors
      const mapped = dmaMapSgtable(device, table, FromDevice)
      expect(kernel.live().descriptors).toBe(before + 1)
      expect(mapped.nents).toBe(1500)
      for (let i = 0; i < 1500; i += 97) {
        expect(mapped.dmaAddressAt(i)).toBe(physicalAddressAt(memory, pages[i]! * PAGE))
      }
      mapped.unmap()
      expect(kernel.live().descriptors).toBe(before)
      memory.pin()
      const pinned = dmaMapSgtable(device, table, FromDevice)
      expect(kernel.live().descriptors).toBe(before + 1)
      memory.close()
      expect(pinned.mapped).toBe(false)
      expect(() => pinned.dmaAddressAt(0)).toThrow('DMA_NOT_MAPPED')
    })
  })

  it('pins what a sparse table has, and not what lies between', () => {
    withDirect((device, kernel) => {
      using memory = allocateDmaMemory({ byteLength: 3000 * PAGE, kernel })
      const mapped = dmaMapSgtable(device, SgTable.fromPages([0, 2999], { memory }), FromDevice)
      expect([memory.isPinned(0, 1), memory.isPinned(2999 * PAGE, 1)]).toEqual([true, true])
      expect(memory.isPinned(1500 * PAGE, 1)).toBe(false)
      mapped.unmap()
      expect(memory.isPinned(0, 1)).toBe(false)
    })
  })

  it('keeps the pages of other memories where one is closed: the device may still be at them', () => {
    withDirect((device, kernel) => {
      using first = allocateDmaMemory({ byteLength: PAGE, kernel })
      using second = allocateDmaMemory({ byteLength: PAGE, kernel })
      const mapped = dmaMapSgtable(device, SgTable.fromBuffers([first.bytes, second.bytes]), FromDevice)
      first.close()
      expect(mapped.mapped).toBe(false)
      expect(second.isPinned(0, 1)).toBe(true)
      expect(() => mapped.unmap()).toThrow('DMA_NOT_MAPPED')
      expect(second.isPinned(0, 1)).toBe(false)
    })
  })

  it('keeps nothing of what it refuses: above the mask, above the bus, of unknown frames', () => {
    const busLimit = dmaBitMask(30)
    withDirect(
      (device, kernel) => {
        using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel })
        const table = SgTable.fromBuffers([memory.bytes])
        const failure = failureOf(() => dmaMapSgtable(device, table, ToDevice))
        expect(failure).toMatchObject({ code: 'EIO', cause: { code: 'DMA_ABOVE_MASK' } })
        expect(failure.hint).toMatch(/bounceOps/)
        expect(memory.isPinned(0, 1)).toBe(false)
      },
      { busLimit },
    )
    withDirect(
      (device, kernel) => {
        using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel })
        const table = SgTable.fromBuffers([memory.bytes])
        const failure = failureOf(() => dmaMapSgtable(device, table, ToDevice))
        expect(failure).toMatchObject({ code: 'EIO', cause: { code: 'DMA_NO_FRAME' } })
      },
      { machine: { uid: 1000 } },
    )
  })

  it('bounces the pieces that are out of reach', () => {
    withDirect(
      (device, kernel) => {
        setDmaOps(device, bounceOps(getDmaOps(device), { byteLength: 1 << 20 }))
        // Takes its slots before the memory is there, and so below it.
        dmaMapSgtable(device, SgTable.fromBuffers([new Uint8Array(64)]), ToDevice).unmap()
        using memory = allocateDmaMemory({ byteLength: 8 * PAGE, kernel })
        using _pin = memory.pin()
        const frames = readFrames(memory)
        // Frames run backwards: the first half of the buffer lies above the mask.
        dmaSetMask(device, BigInt(frames[4]! * PAGE + PAGE - 1))
        const mapped = dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes]), ToDevice)
        expect(mapped.nents).toBe(8)
        for (let i = 0; i < 8; i++) {
          const inPlace = toNumber(mapped.dmaAddressAt(i)) === frames[i]! * PAGE
          expect([i, inPlace, mapped.dmaLengthAt(i)]).toEqual([i, i >= 4, PAGE])
          expect(toNumber(mapped.dmaAddressAt(i))).toBeLessThan(frames[4]! * PAGE + PAGE)
        }
        expect(bouncePoolOf(device)!.usedSlots).toBe(8)
        mapped.unmap()
        expect(bouncePoolOf(device)!.usedSlots).toBe(0)
        device.close()
      },
      { machine: { hugePages: 8 } },
    )
  })

  it('has one code for memory that is not coherent, over whatever path', () => {
    withDirect((device, kernel) => {
      setDmaOps(device, bounceOps(getDmaOps(device), { force: true }))
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      for (const view of [memory.bytes, new Uint8Array(64)]) {
        const table = SgTable.fromBuffers([view])
        const failure = failureOf(() => dmaMapSgtable(device, table, ToDevice, DmaAttribute.RequireCoherent))
        expect(failure.code).toBe('DMA_NOT_COHERENT')
      }
    })
    withDirect(
      (device, kernel) => {
        setDmaOps(device, bounceOps(getDmaOps(device)))
        using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
        const table = SgTable.fromBuffers([memory.bytes])
        const failure = failureOf(() => dmaMapSgtable(device, table, ToDevice, DmaAttribute.RequireCoherent))
        expect(failure.code).toBe('DMA_NOT_COHERENT')
      },
      { busLimit: dmaBitMask(30) },
    )
  })

  it('comes in chunks of no more segments than the device takes', () => {
    withDirect((device, kernel) => {
      using memory = allocateDmaMemory({ byteLength: 64 * PAGE, kernel })
      using _pin = memory.pin()
      const frames = readFrames(memory)
      const table = SgTable.fromBuffers([memory.bytes])
      const reached: number[] = []
      for (const chunk of mapChunks(device, table, ToDevice, { maxBytes: 1 << 20, maxSegments: 3 })) {
        expect(chunk.nents).toBeLessThanOrEqual(3)
        for (const [address, length] of seen(chunk)) {
          for (let at = 0; at < length!; at++) reached.push(address! + at)
        }
      }
      expect(reached.length).toBe(64 * PAGE)
      expect(
        reached.every((address, i) => address === frames[Math.floor(i / PAGE)]! * PAGE + (i % PAGE)),
      ).toBe(true)
    })
  })
})

describe('a table of frames', () => {
  const low = SgTable.fromPages([0x1000, 0x1001, 0x2000])

  it('is among what the device has, until it is unmapped or the device closed', () => {
    withDirect((device) => {
      const mapped = dmaMapSgtable(device, low, ToDevice)
      expect(device.children.size).toBe(1)
      expect(() => dmaSetMask(device, dmaBitMask(24))).toThrow('DMA_MASK_IN_USE')
      expect(() => setDmaOps(device, getDmaOps(device))).toThrow('DMA_IN_USE')
      mapped.unmap()
      dmaSetMask(device, dmaBitMask(26))
      const again = dmaMapSgtable(device, low, ToDevice)
      device.close()
      expect(again.mapped).toBe(false)
      expect(() => again.dmaAddressAt(0)).toThrow('DMA_NOT_MAPPED')
      expect(() => again.unmap()).toThrow('DMA_NOT_MAPPED')
    })
  })

  it('is refused above the bus, and where it would have to be copied', () => {
    withDirect(
      (device) => {
        const failure = failureOf(() => dmaMapSgtable(device, low, ToDevice))
        expect(failure).toMatchObject({ code: 'EIO', cause: { code: 'DMA_ABOVE_MASK' } })
      },
      { busLimit: dmaBitMask(24) },
    )
    withDirect((device) => {
      setDmaOps(device, bounceOps(getDmaOps(device), { force: true }))
      expect(failureOf(() => dmaMapSgtable(device, low, ToDevice)).code).toBe('DMA_NO_CPU_VIEW')
    })
    withDirect(
      (device) => {
        setDmaOps(device, bounceOps(getDmaOps(device)))
        expect(failureOf(() => dmaMapSgtable(device, low, ToDevice)).code).toMatch(/EIO|DMA_NO_CPU_VIEW/)
      },
      { busLimit: dmaBitMask(24) },
    )
  })
})

describe('a sync that fails', () => {
  it('leaves nothing mapped, at the map and at the unmap', () => {
    withEngine({}, (device) => {
      let failing = ''
      const inner = getDmaOps(device)
      const sync = (verb: string) => () => {
        if (failing === verb) throw new DmaError('EIO', verb)
      }
      const ops = {
        ...plainOps(inner, []),
        syncForCpu: sync('cpu'),
        syncForDevice: sync('device'),
        ...(inner.iommu ? { iommu: inner.iommu } : {}),
      }
      setDmaOps(device, ops)
      using memory = allocateDmaMemory({ byteLength: 16 * PAGE, kernel: device.kernel })
      const table = SgTable.fromBuffers([memory.bytes])
      for (const region of [false, true]) {
        using _region = region ? createDmaRegion(device, { memory }) : { [Symbol.dispose]() {} }
        const before = device.children.size
        failing = 'device'
        expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow('EIO: device')
        expect(device.children.size).toBe(before)
        failing = ''
        const mapped = dmaMapSgtable(device, table, ToDevice)
        failing = 'cpu'
        expect(() => mapped.unmap()).toThrow('EIO: cpu')
        expect(device.children.size).toBe(before)
        expect(() => mapped.unmap()).toThrow('DMA_NOT_MAPPED')
        failing = ''
        dmaMapSgtable(device, table, ToDevice).unmap()
        expect(device.children.size).toBe(before)
      }
    })
  })
})
