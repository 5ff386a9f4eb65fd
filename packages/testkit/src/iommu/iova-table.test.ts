import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Storage } from '../memory/storage'
import { type IovaMapping, IovaTable } from './iova-table'

const page = 4096
const pages = 24

/** The same thing, page by page in a Map: slow and obvious. */
class NaiveTable {
  readonly pages = new Map<number, { mapping: IovaMapping; offset: number }>()

  add(mapping: IovaMapping): void {
    for (let offset = 0; offset < mapping.size; offset += page) {
      this.pages.set(mapping.iova + offset, { mapping, offset })
    }
  }

  remove(mapping: IovaMapping): void {
    for (let offset = 0; offset < mapping.size; offset += page) this.pages.delete(mapping.iova + offset)
  }

  overlapping(iova: number, size: number): IovaMapping[] {
    const found = new Set<IovaMapping>()
    for (let at = iova; at < iova + size; at += page) {
      const entry = this.pages.get(at)
      if (entry) found.add(entry.mapping)
    }
    return [...found]
  }

  byteAt(address: number, direction: 'read' | 'write'): { storage: Storage; offset: number } | undefined {
    const entry = this.pages.get(Math.floor(address / page) * page)
    if (!entry?.mapping[direction]) return undefined
    const { storage, byteOffset } = entry.mapping.memory!
    return { storage, offset: byteOffset + entry.offset + (address % page) }
  }
}

const step = fc.record({
  action: fc.constantFrom('add', 'remove', 'translate'),
  page: fc.nat(pages - 1),
  count: fc.integer({ min: 1, max: 6 }),
  byte: fc.nat(page - 1),
  length: fc.integer({ min: 1, max: 4 * page }),
  read: fc.boolean(),
  write: fc.boolean(),
})

it('agrees with a table that is slow and obvious', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new IovaTable()
      const naive = new NaiveTable()
      const storages: Storage[] = []
      for (const { action, page: number, count, byte, length, read, write } of steps) {
        const iova = number * page
        const size = count * page
        const present = naive.overlapping(iova, size)
        expect(table.within(iova, size)).toEqual(present)
        expect(table.find(iova, size)).toBe(present[0])
        if (action === 'add' && present.length === 0) {
          const storage = new Storage(size + page, storages.length, undefined, () => {})
          storages.push(storage)
          new Uint8Array(storage.bytes(0, size + page)).fill(storages.length)
          const mapping = {
            iova,
            size,
            read,
            write,
            memory: { storage, byteOffset: page, byteLength: size, pinnable: true },
          }
          table.add(mapping)
          naive.add(mapping)
        } else if (action === 'remove') {
          for (const mapping of present) {
            table.remove(mapping)
            naive.remove(mapping)
          }
        } else if (action === 'translate') {
          checkTranslation(table, naive, iova + byte, length)
        }
        expect(table.size).toBe(new Set([...naive.pages.values()].map(({ mapping }) => mapping)).size)
      }
    }),
    { numRuns: 300 },
  )
})

function checkTranslation(table: IovaTable, naive: NaiveTable, address: number, length: number): void {
  for (const direction of ['read', 'write'] as const) {
    let done = 0
    while (done < length) {
      const segment = table.translate(address + done, length - done, direction)
      expect(segment.byteLength).toBeGreaterThan(0)
      expect(segment.byteLength).toBeLessThanOrEqual(length - done)
      for (const at of [0, segment.byteLength - 1]) {
        const expected = naive.byteAt(address + done + at, direction)
        const actual = segment.memory && segment.memory.byteOffset + at
        expect(actual).toBe(expected?.offset)
        if (expected) expect(segment.memory!.buffer).toBe(expected.storage.bytes(0, 1).buffer)
      }
      done += segment.byteLength
    }
  }
}

it('takes ranges beyond any address: all there is', () => {
  const table = new IovaTable()
  const storage = new Storage(page, 0, undefined, () => {})
  const memory = { storage, byteOffset: 0, byteLength: page, pinnable: true }
  table.add({ iova: 0x7f_ffff_f000, size: page, memory, read: true, write: true })
  table.add({ iova: 0, size: page, memory, read: true, write: true })
  expect(table.within(0, 2 ** 64).map(({ iova }) => iova)).toEqual([0, 0x7f_ffff_f000])
  expect(table.translate(2 ** 63, 8, 'read').memory).toBeUndefined()
})
