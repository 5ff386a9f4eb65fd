import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TransferDirection } from '../vocabulary/direction'
import { MAX_LIVE_MAPPINGS, type MappingHandle, MappingTable } from './mapping-table'

interface Model {
  byteOffset: number
  byteLength: number
  direction: TransferDirection
  cpu: boolean
}

const offset = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5),
)
const operation = fc.oneof(
  fc.record({
    verb: fc.constant('insert' as const),
    byteOffset: offset,
    byteLength: fc.integer({ min: 1, max: 0xffff_ffff }),
    direction: fc.constantFrom<TransferDirection>(0, 1, 2),
  }),
  fc.record({ verb: fc.constantFrom('remove' as const, 'cpu' as const, 'device' as const), which: fc.nat() }),
)

describe('the mapping table', () => {
  it('behaves as a map of objects would', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new MappingTable(2)
        const live = new Map<MappingHandle, Model>()
        const gone: MappingHandle[] = []
        for (const step of operations) {
          if (step.verb === 'insert') {
            const handle = table.insert(step.byteOffset, step.byteLength, step.direction)
            expect(live.has(handle)).toBe(false)
            live.set(handle, { ...step, cpu: false })
            continue
          }
          const handle = [...live.keys()][step.which % Math.max(1, live.size)]
          if (handle === undefined) continue
          if (step.verb === 'remove') {
            table.remove(handle)
            live.delete(handle)
            gone.push(handle)
          } else {
            if (step.verb === 'cpu') table.giveToCpu(handle)
            else table.giveToDevice(handle)
            live.get(handle)!.cpu = step.verb === 'cpu'
          }
        }
        expect(table.live).toBe(live.size)
        for (const [handle, model] of live) {
          expect(table.has(handle)).toBe(true)
          expect(table.byteOffset(handle)).toBe(model.byteOffset)
          expect(table.byteLength(handle)).toBe(model.byteLength)
          expect(table.direction(handle)).toBe(model.direction)
          expect(table.isCpuOwned(handle)).toBe(model.cpu)
        }
        for (const handle of gone) {
          expect(table.has(handle)).toBe(false)
          expect(() => table.remove(handle)).toThrow(/DMA_NOT_MAPPED/)
        }
      }),
    )
  })

  it('knows a stale handle for four thousand reuses of its slot', () => {
    const table = new MappingTable(1)
    const first = table.insert(0, 1, 0)
    table.remove(first)
    for (let reuse = 1; reuse < 4096; reuse++) {
      const handle = table.insert(0, 1, 0)
      expect(() => table.byteOffset(first)).toThrow(/DMA_NOT_MAPPED/)
      table.remove(handle)
    }
  })

  it('keeps slots apart wherever its generations begin', () => {
    for (const firstGeneration of [0, 4095, 4096, 2 ** 33 - 256, 2 ** 36 - 1, 2 ** 41 - 1]) {
      const table = new MappingTable(4, firstGeneration)
      const handles = Array.from({ length: 600 }, (_, i) => table.insert(i * 4096, 64, 0))
      expect(handles.map((handle) => table.byteOffset(handle))).toEqual(handles.map((_, i) => i * 4096))
      expect(table.live).toBe(600)
      for (const handle of handles) table.remove(handle)
      expect(table.live).toBe(0)
    }
  })

  it('refuses what is no handle', () => {
    const table = new MappingTable(4)
    for (const forged of [0, 1, -1, 0.5, Number.NaN, 2 ** 40, undefined, null, '0', {}]) {
      expect(() => table.remove(forged as never)).toThrow(/DMA_NOT_MAPPED/)
      expect(table.has(forged as never)).toBe(false)
    }
    expect(table.live).toBe(0)
  })

  it('holds a million mappings and then says that it is full', () => {
    const table = new MappingTable(MAX_LIVE_MAPPINGS)
    for (let i = 0; i < MAX_LIVE_MAPPINGS; i++) table.insert(i, 1, 0)
    expect(() => table.insert(0, 1, 0)).toThrow(/DMA_TOO_MANY_MAPPINGS/)
    expect(table.live).toBe(MAX_LIVE_MAPPINGS)
  })
})
