import { O_RDONLY, O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { fields } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { BarLayout } from '../models/device-model'

class WideDevice extends PlainDevice {
  override readonly bars: readonly BarLayout[] = [
    { byteLength: 0x4000, addressWidth: 64, prefetchable: true },
    { byteLength: 0x2000, index: 2 },
    { byteLength: 0x1000, index: 3, addressWidth: 64 },
  ]
}

function opened() {
  const machine = createFakeMachine()
  const device = machine.addDevice(new WideDevice())
  const { kernel } = machine
  const path = `/sys/bus/pci/devices/${device.address}`
  const fd = kernel.open(`${path}/config`, O_RDWR)
  const config = () => {
    const bytes = new Uint8Array(256)
    kernel.read(fd, bytes, 0)
    return fields(bytes)
  }
  const write = (at: number, ...bytes: number[]) => kernel.write(fd, new Uint8Array(bytes), at)
  return { machine, kernel, path, fd, config, write }
}

describe('configuration space', () => {
  it('says what the device is', () => {
    const { config } = opened()
    expect([config().u16(0), config().u16(2)]).toEqual([0xcafe, 0x0001])
    expect(config().u32(8)).toBe(0x02000003)
    expect([config().u16(0x2c), config().u16(0x2e)]).toEqual([0x1af4, 0x1100])
    expect(config().u16(0x3c)).toBe(0x010b)
    expect(config().u16(4)).toBe(0x0103)
  })

  it('keeps what is read-only, whatever is written', () => {
    const { config, write } = opened()
    write(0, ...new Array(16).fill(0xff))
    expect([config().u16(0), config().u16(2), config().u32(8)]).toEqual([0xcafe, 1, 0x02000003])
    expect(config().u16(4)).toBe(0x0547)
    write(4, 0, 0)
    expect(config().u16(4)).toBe(0)
  })

  it('tells the size of BARs to whoever writes ones', () => {
    const { config, write } = opened()
    write(0x10, ...new Array(24).fill(0xff))
    const bars = [0, 1, 2, 3, 4, 5].map((bar) => config().u32(0x10 + bar * 4))
    expect(bars).toEqual([0xffffc00c, 0xffffffff, 0xffffe000, 0xfffff004, 0xffffffff, 0])
  })

  it('chains the capabilities', () => {
    const { config } = opened()
    expect(config().u16(6) & 0x10).toBe(0x10)
    const msi = config().u16(0x34) & 0xff
    expect(config().u16(msi) & 0xff).toBe(0x05)
    expect(config().u16(msi + 2)).toBe(0x80 | (2 << 1))
    const msix = config().u16(msi) >> 8
    expect(config().u16(msix)).toBe(0x0011)
    expect(config().u16(msix + 2)).toBe(7)
    expect(config().u32(msix + 4)).toBe(0x800)
  })

  it('shows its first 64 bytes to everybody and the rest to CAP_SYS_ADMIN', () => {
    const { machine, kernel, path, fd } = opened()
    const bytes = new Uint8Array(256)
    expect(kernel.read(fd, bytes, 0)).toBe(256)
    expect(kernel.read(fd, bytes, 256)).toBe(0)
    machine.setUid(1000)
    const other = kernel.open(`${path}/config`, O_RDONLY)
    expect(kernel.read(other, bytes, 0)).toBe(64)
    expect(kernel.read(other, bytes, 64)).toBe(0)
  })
})

describe('resource', () => {
  it('lists start, end and flags of each BAR', () => {
    const { kernel, path, config } = opened()
    const lines = kernel.readText(`${path}/resource`).split('\n')
    expect(lines).toHaveLength(14)
    const [start, end, flags] = lines[0]!.split(' ').map(BigInt)
    expect(end! - start!).toBe(0x3fffn)
    expect(flags).toBe(0x14220cn)
    expect(BigInt(config().u32(0x10) & ~0xf) + (BigInt(config().u32(0x14)) << 32n)).toBe(start)
    expect(lines[1]).toBe('0x0000000000000000 0x0000000000000000 0x0000000000000000')
    expect(lines[2]).toMatch(/ 0x0000000000040200$/)
    expect(lines[3]).toMatch(/ 0x0000000000140204$/)
  })

  it('never lets two BARs overlap', () => {
    const { machine, kernel } = opened()
    for (let i = 0; i < 5; i++) machine.addDevice(new WideDevice())
    const ranges = kernel.list('/sys/bus/pci/devices').flatMap((address) =>
      kernel
        .readText(`/sys/bus/pci/devices/${address}/resource`)
        .trim()
        .split('\n')
        .map((line) => line.split(' ').map(Number))
        .filter(([, end]) => end !== 0),
    )
    ranges.sort(([a], [b]) => a! - b!)
    expect(ranges).toHaveLength(18)
    ranges.slice(1).forEach(([start], index) => {
      expect(start).toBeGreaterThan(ranges[index]![1]!)
    })
  })
})
