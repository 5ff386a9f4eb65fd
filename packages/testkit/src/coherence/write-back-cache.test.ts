// By the package's own name, as vfio does: its devices are then of the same class.
import { createDmaRegion, DmaAttribute, DmaDirection, dmaMapSingle, toNumber } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine, type FakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'

const { ToDevice, FromDevice } = DmaDirection

/** A region of 4096 bytes, all 1 on both sides, and a device that reaches it by offsets. */
function opened(options: FakeMachineOptions = {}) {
  const machine = createFakeMachine({ coherence: 'write-back', ...options })
  const plain = machine.addDevice(new PlainDevice())
  const device = openVfioDevice(plain.address, { kernel: machine.kernel })
  device.setMaster()
  const region = createDmaRegion(device, { byteLength: 4096 })
  region.bytes.fill(1)
  region.unmapSingle(region.mapSingle(0, 4096, ToDevice))
  const at = (offset: number) => toNumber(region.dmaAddress) + offset
  return {
    machine,
    device,
    region,
    read: (offset: number, length: number) => plain.readMemory(at(offset), length).bytes,
    write: (offset: number, bytes: number[]) => plain.writeMemory(at(offset), bytes),
  }
}

const codes = (machine: FakeMachine) => machine.dmaErrors.map((error) => (error as { code?: string }).code)

describe('a line that CPU and device share', () => {
  it('loses what the device wrote where the CPU had written beside it, as soon as it is written back', () => {
    const { machine, device, region, write } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 32), FromDevice)
    region.bytes[40] = 9
    write(0, new Array(32).fill(5))
    expect(codes(machine)).toEqual(['DMA_LOST_WRITE'])
    expect(machine.dmaErrors[0]!.message).toMatch(/lost: bytes 0\.\.31 of the 32-byte from-device mapping/)
    mapping.unmap()
    // The end of the mapping is in the middle of the line: that was written back first, over what the device wrote.
    expect([...region.bytes.subarray(0, 2), region.bytes[40]]).toEqual([1, 1, 9])
    expect(machine.dmaErrors).toHaveLength(1)
  })

  it('loses it also where the CPU writes later, while the device still has the buffer', () => {
    const { machine, device, region, write } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 32), FromDevice)
    write(0, new Array(32).fill(5))
    expect(machine.dmaErrors).toEqual([])
    region.bytes[40] = 9
    mapping.unmap()
    expect(codes(machine)).toEqual(['DMA_LOST_WRITE'])
    expect(region.bytes[0]).toBe(1)
  })

  it('loses nothing where buffers are aligned and padded to lines, whatever the CPU does beside them', () => {
    const { machine, device, region, write } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
    region.bytes[63] = 9
    write(64, new Array(64).fill(5))
    region.bytes[128] = 9
    mapping.unmap()
    expect(machine.dmaErrors).toEqual([])
    expect([...region.bytes.subarray(63, 65), ...region.bytes.subarray(127, 129)]).toEqual([9, 5, 5, 9])
  })

  it('keeps what the CPU wrote beside a buffer, at both of its ends', () => {
    const { device, region } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(32, 160), FromDevice)
    region.bytes[0] = 8
    region.bytes[191] = 9
    mapping.unmap()
    expect([region.bytes[0], region.bytes[191]]).toEqual([8, 9])
  })

  it('is as long as cacheLineSize says', () => {
    for (const [cacheLineSize, reports] of [
      [32, 0],
      [128, 1],
    ] as const) {
      const { machine, device, region, write } = opened({ cacheLineSize })
      const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
      region.bytes[100] = 9
      write(0, new Array(64).fill(5))
      expect(machine.dmaErrors).toHaveLength(reports)
      mapping.unmap()
    }
    for (const cacheLineSize of [0, 8, 48, 8192, 64.5]) {
      expect(() => createFakeMachine({ cacheLineSize })).toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }
    expect(() => createFakeMachine({ coherence: 'none' as never })).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
    )
  })

  it('is written back at times that the seed decides', () => {
    const run = (seed: number) => {
      const { region, read, write } = opened({ seed, checks: 'off' })
      const seen: number[] = []
      for (let line = 0; line < 64 * 24; line += 64) {
        region.bytes[line + 40] = 9
        write(line, [5])
        seen.push(read(line, 1)[0]!)
      }
      return seen
    }
    expect(run(3)).toEqual(run(3))
    expect(new Set(run(3))).toEqual(new Set([1, 5]))
    expect(run(3)).not.toEqual(run(4))
  })
})

describe('what the device reads', () => {
  it('is told of once, until it is synced, however often the device looks', () => {
    const { machine, device, region, read } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 256), ToDevice)
    region.bytes.fill(2, 70, 80)
    for (let round = 0; round < 3; round++) expect(read(0, 256).every((byte) => byte === 1)).toBe(true)
    expect(machine.dmaErrors.map(({ message }) => /bytes \d+\.\.\d+/.exec(message)?.[0])).toEqual([
      'bytes 70..79',
    ])
    mapping.syncForDevice()
    expect(read(70, 1)).toEqual([2])
    region.bytes[70] = 3
    read(70, 1)
    expect(machine.dmaErrors).toHaveLength(2)
    mapping.unmap()
  })

  it('is not told of where the CPU wrote beside it', () => {
    const { machine, device, region, read } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
    region.bytes[32] = 2
    read(0, 32)
    expect(machine.dmaErrors).toEqual([])
    mapping.unmap()
  })
})

it('takes a short transfer as it is: bytes that the device did not write stay', () => {
  const { machine, device, region, write } = opened()
  const mapping = dmaMapSingle(device, region.bytes.subarray(0, 100), FromDevice)
  write(0, [5, 5, 5])
  mapping.unmap()
  expect([...region.bytes.subarray(0, 5)]).toEqual([5, 5, 5, 1, 1])
  expect([machine.dmaErrors, machine.stale()]).toEqual([[], []])
})

it('lets a driver drop a buffer unseen, and fill it anew', () => {
  const { machine, device, region, read, write } = opened()
  const packet = region.bytes.subarray(0, 128)
  const received = dmaMapSingle(device, packet, FromDevice)
  write(0, new Array(128).fill(5))
  // Of no interest: given to the device again, then taken back without a look.
  received.syncForDevice()
  received.unmap(DmaAttribute.SkipCpuSync)
  packet.fill(7)
  const sent = dmaMapSingle(device, packet, ToDevice)
  expect(read(0, 128).every((byte) => byte === 7)).toBe(true)
  sent.unmap()
  expect([machine.dmaErrors, machine.stale(packet)]).toEqual([[], []])
})

it('says nothing of a buffer that was dropped and is being filled, whatever the device does beside it', () => {
  const { machine, device, region, write } = opened()
  const received = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
  write(0, new Array(64).fill(5))
  received.unmap(DmaAttribute.SkipCpuSync)
  region.bytes.fill(7, 0, 64)
  const next = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
  for (let round = 0; round < 16; round++) write(64, [round])
  next.unmap()
  expect(machine.dmaErrors).toEqual([])
})
