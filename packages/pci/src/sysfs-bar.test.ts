import { DmaError, type Kernel } from '@linux-dma/core'
import type { RegisterWindow } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { alteredKernel } from '../test-support/altered-kernel'
import { PlainDevice } from '../test-support/plain-device'
import { type PciBar, readPciBars } from './pci-bars'
import { findBar, openSysfsBar } from './sysfs-bar'

const address = '0000:00:07.0'

function plugged(uid = 0) {
  const machine = createFakeMachine({ uid })
  machine.addDevice(new PlainDevice(), { address, driver: null })
  const { kernel } = machine
  const bars = readPciBars(kernel, address)
  const bar = (index: number) => findBar(address, bars, index)
  return { machine, kernel, bar }
}

function enable(kernel: Kernel): void {
  kernel.writeText(`/sys/bus/pci/devices/${address}/enable`, '1')
}

const decodes = () => {}

describe('openSysfsBar', () => {
  it('maps memory, which lives on without its descriptor', () => {
    const { machine, kernel, bar } = plugged()
    enable(kernel)
    const before = kernel.live().descriptors
    const { region, mapped } = openSysfsBar(kernel, address, bar(0), undefined, decodes)
    expect([mapped, region.byteLength, region.name]).toEqual([true, 0x2000, `${address} BAR 0`])
    expect(kernel.live().descriptors).toBe(before)
    region.write32(0x1ffc, 0xabcd)
    expect(region.read32(0x1ffc)).toBe(0xabcd)
    const part = openSysfsBar(kernel, address, bar(0), { byteOffset: 0x1000, byteLength: 0x1000 }, decodes)
    expect(part.region.read32(0xffc)).toBe(0xabcd)
    expect(
      openSysfsBar(kernel, address, bar(2), { byteOffset: 0, byteLength: 16 }, decodes).region.byteLength,
    ).toBe(16)
    expect(() => machine.assertQuiescent()).toThrow(/3 left open/)
  })

  it('reaches ports by system calls, and closes the file with the region', () => {
    const { machine, kernel, bar } = plugged()
    enable(kernel)
    const { region, mapped } = openSysfsBar(kernel, address, bar(1), undefined, () => {
      throw new Error('ports end no process')
    })
    expect(mapped).toBe(false)
    region.write16(2, 0x1234)
    expect(region.read16(2)).toBe(0x1234)
    expect(() => region.read64(0)).toThrow(expect.objectContaining({ code: 'DMA_UNSUPPORTED' }))
    expect(() => openSysfsBar(kernel, address, bar(1), { byteOffset: 4, byteLength: 4 }, decodes)).toThrow(
      expect.objectContaining({ code: 'DMA_RANGE' }),
    )
    region.close()
    machine.assertQuiescent()
  })

  it('asks whether the device decodes before it opens anything', () => {
    const { machine, kernel, bar } = plugged()
    const asleep = new DmaError('DMA_BAR_DISABLED', 'it sleeps')
    expect(() =>
      openSysfsBar(kernel, address, bar(0), undefined, () => {
        throw asleep
      }),
    ).toThrow(asleep)
    machine.assertQuiescent()
  })

  it.each([
    ['open', 'EACCES', /chown "\$USER" \/sys\/bus/],
    ['open', 'EPERM', /lockdown/],
    ['open', 'ENOENT', /lspci/],
    ['mmap', 'EPERM', /lockdown/],
    ['mmap', 'EINVAL', /bindDriver/],
    ['mmap', 'ENOMEM', undefined],
  ])('explains what %s answers with %s, and leaves nothing open', (syscall, code, hint) => {
    const { machine, kernel, bar } = plugged()
    enable(kernel)
    machine.failCall({ syscall, code })
    let failure: DmaError | undefined
    try {
      openSysfsBar(kernel, address, bar(0), undefined, decodes)
    } catch (error) {
      failure = error as DmaError
    }
    expect(failure).toMatchObject({ code, syscall })
    if (hint) expect(failure?.hint).toMatch(hint)
    machine.assertQuiescent()
  })

  it('is not for everybody', () => {
    const { kernel, bar } = plugged(1000)
    expect(() => openSysfsBar(kernel, address, bar(0), undefined, decodes)).toThrow(
      expect.objectContaining({ code: 'EACCES', path: `/sys/bus/pci/devices/${address}/resource0` }),
    )
  })

  it('begins where the BAR does on a page that it shares', () => {
    const { kernel } = plugged()
    const page = new DataView(new ArrayBuffer(4096))
    const asked: unknown[] = []
    const sharing = alteredKernel(kernel, {
      open: () => 9,
      close() {},
      mapRegisters(_fd, options) {
        asked.push(options)
        return {
          byteLength: 4096,
          read32: (at: number) => page.getUint32(at, true),
          close() {},
        } as unknown as RegisterWindow
      },
    })
    const bar: PciBar = {
      index: 3,
      address: 0xfea0_0300n,
      byteLength: 0x100,
      kind: 'memory',
      is64Bit: false,
      prefetchable: false,
    }
    page.setUint32(0x304, 77, true)
    const { region } = openSysfsBar(sharing, address, bar, undefined, decodes)
    expect(asked).toEqual([{ byteLength: 0x400, position: 0 }])
    expect([region.byteLength, region.read32(4)]).toEqual([0x100, 77])
    expect(() => region.read32(0x100)).toThrow(expect.objectContaining({ code: 'DMA_RANGE' }))
  })
})

describe('findBar', () => {
  it('says which there are', () => {
    const { bar } = plugged()
    expect(bar(2).byteLength).toBe(0x10_0000)
    for (const index of [3, 6, -1, 0.5, '0']) {
      expect(() => bar(index as number)).toThrow(
        expect.objectContaining({ code: 'DMA_NO_REGION', hint: expect.stringContaining('0, 1, 2') }),
      )
    }
  })
})
