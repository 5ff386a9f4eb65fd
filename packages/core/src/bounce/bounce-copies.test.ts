import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { dmaMapSingle } from '../mapping/streaming'
import type { StreamingMapping } from '../mapping/streaming-mapping'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { DmaMemory } from '../memory/memory'
import { dmaAddress, toNumber } from '../vocabulary/address'
import { DmaAttribute } from '../vocabulary/attributes'
import { DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { bounceOps, bouncePoolOf } from './bounce-ops'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
/** Where the one thing is that gets mapped, the pool: a page past a multiple of everything that has to be kept. */
const START = 0x10_1000

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      verb: fc.constant('map' as const),
      direction: fc.constantFrom<TransferDirection>(ToDevice, FromDevice, Bidirectional),
      skip: fc.boolean(),
      heap: fc.boolean(),
      byteLength: fc.oneof(fc.integer({ min: 1, max: 6000 }), fc.integer({ min: 1, max: 300_000 })),
      byteOffset: fc.integer({ min: 0, max: 9000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ verb: fc.constant('unmap' as const), which: fc.nat(), skip: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      verb: fc.constantFrom(
        'syncForCpu' as const,
        'syncForDevice' as const,
        'deviceWrites' as const,
        'cpuWrites' as const,
      ),
      which: fc.nat(),
      // A sixteenth of the mapping or more, so that ranges of one length meet.
      from: fc.integer({ min: 0, max: 15 }),
      to: fc.integer({ min: 0, max: 15 }),
      value: fc.integer({ min: 1, max: 255 }),
    }),
  },
)

/** A mapping, and what its buffer and its slots have to hold. */
interface Model {
  readonly mapping: StreamingMapping
  readonly buffer: Uint8Array
  readonly byteOffset: number
  readonly original: Uint8Array
  readonly slot: Uint8Array
}

function setUp(minAlignMask: number, segmentBoundary: number) {
  let pool: DmaMemory | undefined
  const inner: DmaOps = {
    name: 'plain',
    coherent: true,
    pins: true,
    mapPages(_device, memory) {
      pool = memory
      return dmaAddress(START)
    },
    unmapPages() {},
    supportsMask: () => true,
    requiredMask: () => 0xffff_ffffn,
    maxMappingSize: () => Number.MAX_SAFE_INTEGER,
    optMappingSize: () => Number.MAX_SAFE_INTEGER,
  }
  const { kernel } = createFakeMachine()
  const device = new DmaDevice('device', kernel, bounceOps(inner, { force: true, byteLength: 1 << 19 }))
  Object.assign(device.parameters, { minAlignMask, segmentBoundary })
  /** What the device finds where a mapping is. */
  const found = ({ mapping }: Model) => {
    const byteOffset = toNumber(mapping.dmaAddress) - START
    return pool!.bytes.subarray(byteOffset, byteOffset + mapping.byteLength)
  }
  return { device, kernel, found }
}

describe('bounced mappings', () => {
  it('hold what the kernel’s would, whatever is done to them, and touch nothing beside them', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(0, 0xff, 0x7ff, 0xfff, 0xffff),
        fc.constantFrom(Number.MAX_SAFE_INTEGER, 0x7fff, 0xf_ffff),
        (steps, minAlignMask, segmentBoundary) => {
          const { device, kernel, found } = setUp(minAlignMask, segmentBoundary)
          const memory = allocateDmaMemory({ byteLength: 320_000, kernel })
          const live: Model[] = []

          const map = (it: Extract<(typeof steps)[number], { verb: 'map' }>) => {
            const { byteLength, byteOffset } = it
            const shared = !it.heap && !live.some(({ buffer }) => buffer === memory.bytes)
            const buffer = shared ? memory.bytes : new Uint8Array(byteOffset + byteLength + 100)
            buffer.fill(live.length + 1)
            const bytes = buffer.subarray(byteOffset, byteOffset + byteLength)
            const slot = bytes.slice()
            const mapping = dmaMapSingle(device, bytes, it.direction, it.skip ? DmaAttribute.SkipCpuSync : 0)
            live.push({ mapping, buffer, byteOffset, original: buffer.slice(), slot })
            const first = toNumber(mapping.dmaAddress)
            const period = segmentBoundary + 1
            expect(first & minAlignMask).toBe(bytes.byteOffset & minAlignMask)
            expect(Math.floor(first / period)).toBe(Math.floor((first + byteLength - 1) / period))
            if (minAlignMask === 0 && byteLength >= 4096) expect(first % 4096).toBe(0)
          }

          for (const it of steps) {
            if (it.verb === 'map') {
              try {
                map(it)
              } catch (error) {
                const { code } = error as { code?: string }
                if (!code) throw error
                const longest = 0x4_0000 - Math.ceil(minAlignMask / 2048) * 2048
                if (it.byteLength > Math.min(longest, segmentBoundary + 1))
                  expect(code).toBe('DMA_BOUNCE_TOO_LONG')
                else if (segmentBoundary > 0x7fff) expect(code).toBe('DMA_BOUNCE_FULL')
                else expect(code).toMatch(/^DMA_BOUNCE_(FULL|TOO_LONG)$/)
              }
              continue
            }
            const one = live[it.which % Math.max(live.length, 1)]
            if (!one) continue
            const { mapping, buffer, byteOffset, original, slot } = one
            const whole = it.verb === 'unmap'
            const sixteenth = Math.ceil(slot.length / 16)
            const start = whole ? 0 : Math.min(it.from * sixteenth, slot.length - 1)
            const end = whole ? slot.length : Math.min(start + (it.to + 1) * sixteenth, slot.length)
            const toCpu = () => {
              if (mapping.direction !== ToDevice) original.set(slot.subarray(start, end), byteOffset + start)
            }
            switch (it.verb) {
              case 'unmap':
                mapping.unmap(it.skip ? DmaAttribute.SkipCpuSync : 0)
                if (!it.skip) toCpu()
                live.splice(live.indexOf(one), 1)
                break
              case 'syncForCpu':
                mapping.syncForCpu(start, end - start)
                toCpu()
                break
              case 'syncForDevice':
                mapping.syncForDevice(start, end - start)
                if (mapping.direction === FromDevice) break
                slot.set(original.subarray(byteOffset + start, byteOffset + end), start)
                break
              case 'deviceWrites':
                for (const bytes of [found(one), slot]) bytes.fill(it.value, start, end)
                break
              case 'cpuWrites':
                for (const bytes of [buffer, original])
                  bytes.fill(it.value, byteOffset + start, byteOffset + end)
            }
            for (const model of new Set([one, ...live])) {
              expect(Buffer.compare(model.buffer, model.original)).toBe(0)
              if (model.mapping.mapped) expect(Buffer.compare(found(model), model.slot)).toBe(0)
            }
          }
          for (const { mapping } of live) mapping.unmap(DmaAttribute.SkipCpuSync)
          expect(bouncePoolOf(device)?.usedSlots ?? 0).toBe(0)
          device.close()
          memory.close()
          expect(kernel.live()).toEqual(createFakeMachine().kernel.live())
        },
      ),
      { numRuns: 200 },
    )
  }, 60_000)
})
