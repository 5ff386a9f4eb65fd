import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { type Item, rawDmaBuf, sync } from '../fixtures/raw-dma-buf'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import { EduDevice } from '../models/edu'
import { createRandom } from '../prng'

const page = 4096

function started(byteLengths: readonly number[] = [4 * page, 4 * page]) {
  const machine = createFakeMachine()
  const { kernel } = machine
  const raw = rawDmaBuf(kernel)
  const udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
  const memfds = byteLengths.map((byteLength, index) => kernel.memfd(`part${index}`, { byteLength }))
  const mapped = memfds.map((fd, index) => kernel.mmap(fd, { byteLength: byteLengths[index]! }))
  const map = (buffer: number) => kernel.mmap(buffer, { byteLength: Number(raw.info(buffer).size) })
  return { machine, kernel, raw, udmabuf, memfds, mapped, map }
}

type Started = ReturnType<typeof started>

const interleaved = ({ memfds: [a, b] }: Started): Item[] => [
  [a!, 0, page],
  [b!, 2 * page, 2 * page],
  [a!, 3 * page, page],
]

describe('a buffer of several memfds, mapped', () => {
  it('shows what the memfds have, and they what is written to it', () => {
    const all = started()
    const { raw, udmabuf, map, mapped } = all
    mapped[0]!.bytes.fill(0xa0)
    mapped[1]!.bytes.fill(0xb0)
    const buffer = raw.createList(udmabuf, interleaved(all))
    const { bytes } = map(buffer)
    expect([0, page, 2 * page, 3 * page].map((at) => bytes[at])).toEqual([0xa0, 0xb0, 0xb0, 0xa0])
    bytes[page + 7] = 1
    mapped[1]!.bytes[2 * page + 8] = 2
    raw.sync(buffer, sync.both)
    expect(mapped[1]!.bytes[2 * page + 7]).toBe(1)
    expect(bytes[page + 8]).toBe(2)
    expect(mapped[1]!.bytes[page]).toBe(0xb0)
  })

  it('shows one page in many places', () => {
    const { raw, udmabuf, memfds, mapped, map } = started()
    const once: Item = [memfds[0]!, page, page]
    const buffer = raw.createList(udmabuf, [once, once, once])
    const { bytes } = map(buffer)
    bytes[5] = 1
    bytes[page + 6] = 2
    mapped[0]!.bytes[page + 7] = 3
    raw.sync(buffer, sync.both)
    for (const at of [0, page, 2 * page]) expect([...bytes.subarray(at + 5, at + 8)]).toEqual([1, 2, 3])
    expect([...mapped[0]!.bytes.subarray(page + 5, page + 8)]).toEqual([1, 2, 3])
  })

  it('is read and written by the kernel', () => {
    const all = started()
    const { kernel, raw, udmabuf, map, memfds } = all
    const { bytes } = map(raw.createList(udmabuf, interleaved(all)))
    kernel.write(memfds[1]!, new Uint8Array([9, 8]), 2 * page)
    expect([...bytes.subarray(page, page + 2)]).toEqual([9, 8])
    bytes[page] = 7
    const read = new Uint8Array(2)
    kernel.read(memfds[1]!, read, 2 * page)
    expect([...read]).toEqual([7, 8])
  })

  it('is what two buffers of the same pages show', () => {
    const all = started()
    const { raw, udmabuf, map, memfds } = all
    const first = raw.createList(udmabuf, interleaved(all))
    const second = raw.createList(udmabuf, [
      [memfds[1]!, 3 * page, page],
      [memfds[0]!, 0, page],
    ])
    const [one, two] = [map(first).bytes, map(second).bytes]
    one[2 * page] = 1
    two[page + 1] = 2
    raw.sync(first, sync.both)
    expect(two[0]).toBe(1)
    expect(one[1]).toBe(2)
  })

  it('keeps the bytes of a mapping that closes, and shows nobody else those written after', () => {
    const all = started()
    const { raw, udmabuf, map, mapped } = all
    const buffer = raw.createList(udmabuf, interleaved(all))
    const mapping = map(buffer)
    const { bytes } = mapping
    bytes[0] = 4
    mapping.close()
    bytes[1] = 5
    raw.sync(buffer, sync.both)
    expect([...mapped[0]!.bytes.subarray(0, 2)]).toEqual([4, 0])
    expect(bytes[0]).toBe(0)
    expect([...map(buffer).bytes.subarray(0, 2)]).toEqual([4, 0])
  })

  it('is one range, and exactly the memory, where the pieces are neighbours', () => {
    const { raw, udmabuf, memfds, mapped, map } = started()
    const pages = Array.from({ length: 4 }, (_, index): Item => [memfds[0]!, index * page, page])
    const { bytes } = map(raw.createList(udmabuf, pages))
    mapped[0]!.bytes[3 * page] = 1
    expect(bytes[3 * page]).toBe(1)
  })
})

describe('a device', () => {
  it('reads what the program wrote to a buffer of pieces, and what it writes is seen there', () => {
    const all = started()
    const { machine, raw, udmabuf, map, mapped } = all
    const edu = machine.addDevice(new EduDevice())
    const { kernel, map: mapForDevice, container, device } = openByHand(machine, edu.address)
    mapForDevice(container, mapped[1]!.address, 0x10_0000n, BigInt(4 * page))
    const { bytes } = map(raw.createList(udmabuf, interleaved(all)))
    const registers = kernel.mapRegisters(device, { byteLength: 0x1000 })
    const transfer = (source: number, target: number, command: number) => {
      registers.write64(0x80, source, 0)
      registers.write64(0x88, target, 0)
      registers.write64(0x90, 4, 0)
      registers.write64(0x98, command, 0)
      machine.clock.advance(200)
    }
    bytes.set([1, 2, 3, 4], page)
    transfer(0x10_2000, 0x40000, 1)
    transfer(0x40000, 0x10_3010, 3)
    expect([...bytes.subarray(2 * page + 16, 2 * page + 20)]).toEqual([1, 2, 3, 4])
  })
})

describe('of many pieces', () => {
  it('agrees with a model of one memory, whatever is written where', () => {
    const random = createRandom(5)
    const all = started([8 * page, 8 * page, 8 * page])
    const { kernel, raw, udmabuf, memfds, mapped, map } = all
    const model = memfds.map(() => new Uint8Array(8 * page))
    const places = () =>
      Array.from({ length: 6 }, () => ({ file: random.integer(3), index: random.integer(8) }))
    const views = [places(), places(), places()].map((pages) => {
      const items = pages.map(({ file, index }): Item => [memfds[file]!, index * page, page])
      const buffer = raw.createList(udmabuf, items)
      return { pages, buffer, bytes: map(buffer).bytes }
    })
    for (let round = 0; round < 300; round++) {
      const [at, value] = [random.integer(page), random.integer(256)]
      const view = views[random.integer(3)]!
      const place = random.integer(6)
      const { file, index } = view.pages[place]!
      if (round % 3 === 0) kernel.write(memfds[file]!, new Uint8Array([value]), index * page + at)
      else if (round % 3 === 1) mapped[file]!.bytes[index * page + at] = value
      else view.bytes[place * page + at] = value
      model[file]![index * page + at] = value
      raw.sync(view.buffer, sync.both)
      if (round % 30 === 0) {
        for (const [number, own] of mapped.entries())
          expect(Buffer.compare(own.bytes, model[number]!)).toBe(0)
        for (const { pages, bytes } of views) {
          for (const [position, page_] of pages.entries()) {
            const expected = model[page_.file]!.subarray(page_.index * page, (page_.index + 1) * page)
            expect(Buffer.compare(bytes.subarray(position * page, (position + 1) * page), expected)).toBe(0)
          }
        }
      }
    }
  })
})
