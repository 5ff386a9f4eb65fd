// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaChecker,
  DmaDirection,
  type DmaReport,
  dmaAddress,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaFreeCoherent,
  dmaFreeNoncoherent,
  dmaFreePages,
  dmaMapPage,
  dmaMapResource,
  dmaMapSingle,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapPage,
  dmaUnmapResource,
  dmaUnmapSingle,
  getDmaOps,
  setDmaOps,
  toBigInt,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const PAGE = 4096

/** With a checker and without one: that is to make no difference. */
const modes = [
  ['with a checker', true],
  ['without one', false],
] as const

describe.each(modes)('by its address, %s', (_, checks) => {
  function open() {
    const machine = createFakeMachine({ checks: checks ? 'throw' : 'off' })
    const openOne = () => {
      const { address } = machine.addDevice(new EduDevice())
      const device = openVfioDevice(address, { kernel: machine.kernel })
      device.setMaster()
      return device
    }
    const memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel: machine.kernel })
    return { machine, device: openOne(), memory, openOne }
  }
  const code = (code: string) => expect.objectContaining({ code })

  it('a mapping is ended as its object ends it: in a region, outside, found by page, in slots', () => {
    const { machine, device, memory } = open()
    const region = createDmaRegion(device, { byteLength: PAGE })
    const inRegion = dmaMapSingle(device, region.bytes.subarray(100, 200), FromDevice)
    const outside = dmaMapSingle(device, memory.bytes.subarray(100, 200), FromDevice)
    const byPage = dmaMapPage(device, memory, 1, 8, 16, ToDevice)
    const handle = region.mapSingle(0, 64, ToDevice)
    dmaUnmapSingle(device, inRegion.dmaAddress, 100, FromDevice)
    dmaUnmapSingle(device, toBigInt(outside.dmaAddress), 100, FromDevice)
    dmaUnmapPage(device, byPage.dmaAddress, 16, ToDevice)
    dmaUnmapSingle(device, region.addressOf(handle), 64, ToDevice)
    expect([inRegion.mapped, outside.mapped, byPage.mapped, region.liveMappings]).toEqual([
      false,
      false,
      false,
      0,
    ])
    expect(() => inRegion.unmap()).toThrow(code('DMA_NOT_MAPPED'))
    region.close()
    expect(device.children.size).toBe(0)
    setDmaOps(device, bounceOps(getDmaOps(device)))
    const heap = new Uint8Array(100)
    const bounced = dmaMapSingle(device, heap, FromDevice)
    dmaUnmapSingle(device, bounced.dmaAddress, 100, FromDevice)
    expect([bounced.mapped, bouncePoolOf(device)?.usedSlots]).toEqual([false, 0])
    device.close()
    memory.close()
    machine.assertQuiescent()
  })

  it('a mapping, or a part of it, is lent and given back', () => {
    const { device, memory } = open()
    memory.bytes.set([1, 2, 3, 4], 100)
    const mapping = dmaMapSingle(device, memory.bytes.subarray(100, 200), Bidirectional)
    const { dmaAddress } = mapping
    expect([...dmaSyncSingleForCpu(device, dmaAddress, 2, FromDevice)]).toEqual([1, 2])
    expect([mapping.owner, mapping.bytes.byteLength]).toEqual(['cpu', 100])
    dmaSyncSingleForDevice(device, dmaAddress, 100, ToDevice)
    expect(mapping.owner).toBe('device')
    const inside = toBigInt(dmaAddress) + 2n
    expect([...dmaSyncSingleForCpu(device, inside, 2, Bidirectional)]).toEqual([3, 4])
    dmaSyncSingleRangeForDevice(device, dmaAddress, 2, 2, Bidirectional)
    expect([...dmaSyncSingleRangeForCpu(device, dmaAddress, 1, 3, Bidirectional)]).toEqual([2, 3, 4])
    mapping.unmap()
    expect(() => dmaSyncSingleForCpu(device, dmaAddress, 2, Bidirectional)).toThrow(code('DMA_NOT_MAPPED'))
  })

  it('is refused what the mapping is not, and nothing happens to it', () => {
    const { device, memory } = open()
    const mapping = dmaMapSingle(device, memory.bytes.subarray(100, 200), FromDevice)
    const { dmaAddress: at } = mapping
    for (const [call, error] of [
      [() => dmaUnmapSingle(device, at, 99, FromDevice), 'DMA_WRONG_SIZE'],
      [() => dmaUnmapSingle(device, at, 100, Bidirectional), 'DMA_WRONG_DIRECTION'],
      [() => dmaUnmapResource(device, at, 100, FromDevice), 'DMA_WRONG_FAMILY'],
      [() => dmaFreeCoherent(device, 100, memory.bytes, at), 'DMA_WRONG_FAMILY'],
      [() => dmaUnmapSingle(device, dmaAddress(1), 100, FromDevice), 'DMA_NOT_MAPPED'],
      [() => dmaUnmapSingle(device, toBigInt(at) + 1n, 99, FromDevice), 'DMA_NOT_MAPPED'],
      [() => dmaSyncSingleForCpu(device, at, 101, FromDevice), 'DMA_RANGE'],
      [() => dmaSyncSingleRangeForCpu(device, at, 99, 2, FromDevice), 'DMA_RANGE'],
      [() => dmaSyncSingleRangeForCpu(device, at, -1, 2, FromDevice), 'DMA_RANGE'],
      [() => dmaSyncSingleForDevice(device, at, 100, ToDevice), 'DMA_WRONG_DIRECTION'],
      [() => dmaUnmapSingle(device, -1n, 100, FromDevice), 'DMA_ADDRESS_RANGE'],
      [() => dmaUnmapSingle(device, 0xffff_ffff_ffff_ffffn, 100, FromDevice), 'DMA_ADDRESS_RANGE'],
      [() => dmaUnmapSingle(device, at, 100, 3 as never), 'DMA_INVALID_ARGUMENT'],
      [() => dmaUnmapSingle(device, at, 0, FromDevice), 'DMA_INVALID_ARGUMENT'],
      [() => dmaUnmapSingle(device, at as never), 'DMA_INVALID_ARGUMENT'],
      [() => dmaUnmapSingle(device, at, 100, FromDevice, 1 << 4), 'DMA_ATTRIBUTE'],
      [() => dmaUnmapSingle(null as never, at, 100, FromDevice), 'DMA_INVALID_ARGUMENT'],
    ] as [() => void, string][]) {
      expect(call).toThrow(code(error))
    }
    expect(mapping.owner).toBe('device')
    dmaUnmapSingle(device, at, 100, FromDevice)
  })

  it('is the one of several that fits in all, and none where nobody can tell', () => {
    const { device } = open()
    const region = createDmaRegion(device, { byteLength: PAGE })
    const [short, long] = [region.mapSingle(0, 64, ToDevice), region.mapSingle(0, 128, ToDevice)]
    const at = region.addressOf(short)
    expect(() => dmaUnmapSingle(device, at, 100, ToDevice)).toThrow(code('DMA_NOT_MAPPED'))
    expect(() => dmaUnmapSingle(device, at, 64, FromDevice)).toThrow(code('DMA_NOT_MAPPED'))
    dmaUnmapSingle(device, at, 128, ToDevice)
    expect([region.isMapped(short), region.isMapped(long)]).toEqual([true, false])
    // The only one there is is meant, and is another one.
    expect(() => dmaUnmapSingle(device, at, 100, ToDevice)).toThrow(code('DMA_WRONG_SIZE'))
    dmaUnmapSingle(device, at, 64, ToDevice)
  })

  it('allocations are freed, with their bytes', () => {
    const { device, machine } = open()
    const coherent = dmaAllocCoherent(device, 100)
    const noncoherent = dmaAllocNoncoherent(device, 5000, FromDevice)
    const pages = dmaAllocNoncoherent(device, PAGE, ToDevice)
    const at = noncoherent.dmaAddress
    expect(() => dmaUnmapSingle(device, at, 5000, FromDevice)).toThrow(code('DMA_WRONG_FAMILY'))
    expect(() => dmaFreeCoherent(device, 100, noncoherent.bytes, coherent.dmaAddress)).toThrow(
      code('DMA_WRONG_BYTES'),
    )
    expect(() => dmaFreeCoherent(device, 100 as never)).toThrow(code('DMA_INVALID_ARGUMENT'))
    expect(() => dmaFreeCoherent(device, PAGE, coherent.bytes, coherent.dmaAddress)).toThrow(
      code('DMA_WRONG_SIZE'),
    )
    dmaFreeCoherent(device, 100, null, coherent.dmaAddress)
    dmaFreeNoncoherent(device, 5000, null, at, FromDevice)
    expect([coherent.freed, noncoherent.freed]).toEqual([false, false])
    dmaFreeCoherent(device, 100, coherent.bytes, coherent.dmaAddress)
    dmaFreeNoncoherent(device, 5000, noncoherent.bytes, at, FromDevice)
    dmaFreePages(device, PAGE, pages.bytes, pages.dmaAddress, ToDevice)
    expect([coherent.freed, noncoherent.freed, pages.freed]).toEqual([true, true, true])
    expect(() => coherent.free()).toThrow(code('DMA_CLOSED'))
    expect(device.children.size).toBe(0)
    expect(machine.dmaErrors.length > 0).toBe(checks)
  })

  it('registers of another device are taken back', () => {
    const { device, openOne } = open()
    const peer = openOne()
    const mapping = dmaMapResource(device, peer.bar(0), 4, 8, ToDevice)
    const at = mapping.dmaAddress
    expect(() => dmaUnmapResource(device, at, 4, ToDevice)).toThrow(code('DMA_WRONG_SIZE'))
    dmaUnmapResource(device, at, 8, ToDevice)
    expect(mapping.mapped).toBe(false)
    expect(() => dmaUnmapResource(device, at, 8, ToDevice)).toThrow(code('DMA_NOT_MAPPED'))
    expect(() => mapping.unmap()).toThrow(code('DMA_NOT_MAPPED'))
  })

  it('is found among mappings that were there before anybody asked', () => {
    const { device, memory, openOne } = open()
    const region = createDmaRegion(device, { byteLength: 64 * PAGE })
    const handles = Array.from({ length: 1000 }, (_, i) => region.mapSingle(i * 256, 128, FromDevice))
    const outside = dmaMapSingle(device, memory.bytes, ToDevice)
    const registers = dmaMapResource(device, openOne().bar(0), 0, 4, FromDevice)
    for (const handle of handles) dmaUnmapSingle(device, region.addressOf(handle), 128, FromDevice)
    dmaUnmapSingle(device, outside.dmaAddress, 4 * PAGE, ToDevice)
    dmaUnmapResource(device, registers.dmaAddress, 4, FromDevice)
    region.close()
    expect(device.children.size).toBe(0)
  })
})

it('says of which device a mapping is that is sought with another', () => {
  const machine = createFakeMachine()
  const checker = new DmaChecker({ all: true })
  const [one, other] = [0, 1].map(() => {
    const { address } = machine.addDevice(new EduDevice())
    const device = openVfioDevice(address, { kernel: machine.kernel, checked: checker })
    device.setMaster()
    return device
  }) as [ReturnType<typeof openVfioDevice>, ReturnType<typeof openVfioDevice>]
  const coherent = dmaAllocCoherent(one, PAGE)
  try {
    dmaFreeCoherent(other, PAGE, coherent.bytes, coherent.dmaAddress)
  } catch (error) {
    expect(error).toMatchObject({ code: 'DMA_NOT_MAPPED', class: 12, actual: `one of ${one.name}` })
    expect((error as DmaReport).hint).toContain(one.name)
  }
  expect(checker.errorCount).toBe(1)
})
