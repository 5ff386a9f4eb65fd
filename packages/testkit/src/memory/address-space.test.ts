import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AddressSpace, type Area } from './address-space'
import { Storage } from './storage'

const page = 4096

function memory(byteLength: number) {
  const storage = new Storage(page, 0, undefined, () => {})
  return { storage, byteOffset: 0, byteLength, pinnable: true }
}

it('finds every address in its area and none in the holes, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(20)), { maxLength: 60 }), (steps) => {
      const space = new AddressSpace()
      const live: Area[] = []
      for (const [add, number] of steps) {
        if (add || live.length === 0) live.push(space.add(memory((number + 1) * 1000), true))
        else space.remove(live.splice(number % live.length, 1)[0]!)
      }
      for (const area of live) {
        expect(space.find(area.address)).toBe(area)
        expect(space.find(area.address + area.byteLength - 1)).toBe(area)
        expect(space.find(area.address - 1)).toBeUndefined()
        expect(space.find(area.address + area.byteLength)).toBeUndefined()
      }
    }),
  )
})

it('starts again in the gaps when the space is used up, and never overlaps', () => {
  const space = new AddressSpace()
  const step = 2 ** 38
  const areas = [0, 1].map(() => space.add(memory(step), true))
  expect(() => space.add(memory(2 * step), true)).toThrow(expect.objectContaining({ errno: 'ENOMEM' }))
  space.add(memory(step), true)
  space.remove(areas[0]!)
  const reused = space.add(memory(step), true)
  expect(reused.address).toBe(areas[0]!.address)
})

it('aligns where that is asked for', () => {
  const space = new AddressSpace()
  space.add(memory(1), true)
  expect(space.add(memory(1), true, 0x200000).address % 0x200000).toBe(0)
})

it('gives the bytes behind a pointer, or EFAULT', () => {
  const space = new AddressSpace()
  const area = space.add(memory(page), false)
  expect(space.bytesAt(BigInt(area.address) + 8n, 4, false).byteOffset).toBe(8)
  const fault = expect.objectContaining({ errno: 'EFAULT' })
  expect(() => space.bytesAt(BigInt(area.address), 4, true)).toThrow(fault)
  expect(() => space.bytesAt(BigInt(area.address) + 4094n, 4, false)).toThrow(fault)
  expect(() => space.bytesAt(0n, 4, false)).toThrow(fault)
  expect(() => space.bytesAt(1n << 63n, 4, false)).toThrow(fault)
})
