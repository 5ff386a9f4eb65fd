import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { rawConfig, rawUio } from '../fixtures/raw-uio'
import { createFakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'
import { EduDevice } from '../models/edu'

const page = 4096
const magic = 0xffff_f000

function opened(options: FakeMachineOptions) {
  const machine = createFakeMachine(options)
  const edu = machine.addDevice(new EduDevice({ dmaMask: 0xffff_ffffn }), { driver: 'uio_pci_generic' })
  const { kernel } = machine
  const uio = rawUio(kernel)
  const fd = uio.open()
  const map = (byteLength: number, position: number) => kernel.mmap(fd, { byteLength, position })
  const words = ({ bytes }: { bytes: Uint8Array }) => [
    ...new BigUint64Array(bytes.buffer, bytes.byteOffset, 2),
  ]
  return { machine, kernel, edu, uio, fd, map, words }
}

describe('the offset of 2008', () => {
  it('allocates each time, and the index of what it gave maps that again', () => {
    const { kernel, uio, map, words } = opened({ uioDmaMemory: 'magic' })
    const first = map(5000, magic)
    const second = map(page, magic)
    expect([words(first), words(second)]).toEqual([
      [0xffffe000n, 1000n],
      [0xffffd000n, 1001n],
    ])
    expect(kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0', 'map1000', 'map1001'])
    const shown = ['name', 'addr', 'size', 'offset'].map((file) => uio.text(`maps/map1000/${file}`))
    expect(shown).toEqual(['dma', '0x00000000ffffe000', '0x0000000000002000', '0x0'])
    const again = map(8192, 1000 * page)
    again.bytes[100] = 7
    expect(first.bytes[100]).toBe(7)
    for (const [byteLength, index] of [
      [8193, 1000],
      [page, 1002],
      [page, 0x10000],
    ] as const) {
      expect(outcome(() => map(byteLength, index * page))).toBe('EINVAL')
    }
  })

  it('is memory that the device reaches, behind an IOMMU and without one', () => {
    for (const iommu of ['on', 'off', 'passthrough'] as const) {
      const { machine, kernel, edu, fd, map, words } = opened({ uioDmaMemory: 'magic', iommu })
      rawConfig(kernel, edu.address).write(4, 0x0107)
      const memory = map(page, magic)
      const bus = Number(words(memory)[0])
      const registers = kernel.mapRegisters(fd, { byteLength: page })
      memory.bytes.set([1, 2, 3, 4], 16)
      for (const [source, destination, command] of [
        [bus + 16, 0x40000, 1],
        [0x40000, bus + 32, 3],
      ] as const) {
        registers.write32(0x80, source)
        registers.write32(0x88, destination)
        registers.write32(0x90, 4)
        registers.write32(0x98, command)
        machine.clock.advance(200)
      }
      expect([iommu, ...memory.bytes.subarray(32, 36)]).toEqual([iommu, 1, 2, 3, 4])
      expect(machine.faults).toEqual([])
    }
  })

  it('keeps its memory until the device goes', () => {
    const { machine, kernel, edu, uio, fd, map } = opened({ uioDmaMemory: 'magic', iommu: 'off' })
    const first = map(page, magic)
    first.bytes[100] = 9
    first.close()
    kernel.close(fd)
    const again = kernel.mmap(uio.open(), { byteLength: page, position: 1000 * page })
    expect(again.bytes[100]).toBe(9)
    kernel.writeText(`/sys/bus/pci/devices/${edu.address}/driver/unbind`, edu.address)
    expect(again.bytes[100]).toBe(0x6b)
    expect(machine.log[0]?.message).toContain('DMA memory 1000 is freed while a program has it mapped')
  })

  it('is ENOMEM where there is not enough, and leaves nothing', () => {
    const { machine, kernel, map } = opened({ uioDmaMemory: 'magic', iommu: 'off' })
    expect(outcome(() => map(0x400001, magic))).toBe('ENOMEM')
    machine.failCall({ syscall: 'dma_alloc_coherent', code: 'ENOMEM' })
    expect(outcome(() => map(page, magic))).toBe('ENOMEM')
    machine.failCall({ syscall: 'mmap', code: 'ENOMEM' })
    expect(outcome(() => map(page, magic))).toBe('ENOMEM')
    expect(kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0'])
    const behind = opened({ uioDmaMemory: 'magic' })
    expect(outcome(() => behind.map(0x2000_0001, magic))).toBe('ENOMEM')
  })

  it('is there for devices without maps', () => {
    const machine = createFakeMachine({ uioDmaMemory: 'magic' })
    machine.registerUio({ name: 'bare', version: '1' })
    expect(machine.kernel.list('/sys/class/uio/uio0/maps')).toEqual([])
    const fd = rawUio(machine.kernel).open()
    machine.kernel.mmap(fd, { byteLength: page, position: magic }).close()
    expect(machine.kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map1000'])
  })
})

describe('the flag in the offset', () => {
  const flagged = (index: number) => (0x10000 | index) * page

  it('allocates a slot at its first mapping', () => {
    const { kernel, uio, map, words } = opened({ uioDmaMemory: 'flag' })
    expect(kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0', 'map1', 'map2'])
    const slots = () =>
      [1, 2].map((n) => ['name', 'addr', 'size'].map((file) => uio.text(`maps/map${n}/${file}`)))
    expect(slots()).toEqual([
      ['dma0', '0x0000000000000000', '0x0000000000010000'],
      ['dma1', '0x0000000000000000', '0x0000000000100000'],
    ])
    expect(outcome(() => map(page, page))).toBe('EINVAL')
    const memory = map(0x10000, flagged(1))
    expect(words(memory)).toEqual([0xffff0000n, 1n])
    memory.bytes[50] = 5
    expect(map(page, flagged(1)).bytes[50]).toBe(5)
    expect(slots()[0]).toEqual(['dma0', '0x00000000ffff0000', '0x0000000000010000'])
    for (const [byteLength, index] of [
      [0x10001, 1],
      [page, 0],
      [page, 3],
      [page, 0xefff],
    ] as const) {
      expect(outcome(() => map(byteLength, flagged(index)))).toBe('EINVAL')
    }
    expect(outcome(() => map(page, magic))).toBe('EINVAL')
  })

  it('knows the slots of a driver, and has its own as far as there is room', () => {
    const machine = createFakeMachine({ uioDmaMemory: 'flag', iommu: 'off' })
    const mem = [0, 1, 2, 3].map((index) => ({
      name: `own${index}`,
      memtype: 'phys' as const,
      byteLength: 8192,
      dma: index === 3,
    }))
    const device = machine.registerUio({ name: 'slots', version: '1', mem })
    const { open, text } = rawUio(machine.kernel)
    const fd = open()
    expect(machine.kernel.list('/sys/class/uio/uio0/maps')).toHaveLength(5)
    const memory = machine.kernel.mmap(fd, { byteLength: 8192, position: flagged(3) })
    memory.bytes[20] = 1
    expect(text('maps/map3/addr')).not.toBe('0x0000000000000000')
    device.unregister()
    expect(memory.bytes[20]).toBe(0x6b)
    expect(machine.log[0]?.message).toContain("DMA memory 'own3'")
  })
})

it('a stock core knows neither', () => {
  const { machine, map } = opened({})
  for (const position of [magic, 1000 * page, 0x10001 * page]) {
    expect(outcome(() => map(page, position))).toBe('EINVAL')
  }
  machine.setUioDmaMemory('magic')
  expect(outcome(() => map(page, magic))).toBe('EINVAL')
  machine.registerUio({ name: 'new', version: '1' })
  expect(machine.kernel.list('/sys/class/uio/uio1/maps')).toEqual([])
})
