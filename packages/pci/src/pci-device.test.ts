import type { Kernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { alteredKernel } from '../test-support/altered-kernel'
import { PlainDevice } from '../test-support/plain-device'
import { readPciCommand } from './command'
import { readPciBars } from './pci-bars'
import { readPciDevice } from './pci-device'

const address = '0000:00:07.0'
const folder = `/sys/bus/pci/devices/${address}`

function machineOfAnybody(iommu: 'on' | 'off' = 'on') {
  const machine = createFakeMachine({ uid: 1000, iommu })
  const device = machine.addDevice(new PlainDevice(), {
    address,
    driver: iommu === 'on' ? 'vfio-pci' : 'nic',
  })
  return { machine, device, kernel: machine.kernel }
}

describe('readPciDevice', () => {
  it('tells everybody what a device is', () => {
    expect(readPciDevice(machineOfAnybody().kernel, address)).toEqual({
      address,
      vendorId: 0xcafe,
      deviceId: 0x0001,
      classCode: 0x020000,
      driver: 'vfio-pci',
      iommuGroup: '1',
      iommuType: expect.stringMatching(/\S/),
    })
    expect(readPciDevice(machineOfAnybody('off').kernel, address)).toMatchObject({
      driver: 'nic',
      iommuGroup: undefined,
      iommuType: undefined,
    })
  })

  it('says so where its driver or its group cannot be looked at, which is not the same as none', () => {
    for (const nth of [1, 2]) {
      const { machine, kernel } = machineOfAnybody()
      machine.failCall({ syscall: 'readlink', nth, code: 'EACCES' })
      expect(() => readPciDevice(kernel, address)).toThrow(expect.objectContaining({ code: 'EACCES' }))
    }
  })

  it('does without the type of a group, which older kernels do not tell', () => {
    const { kernel } = machineOfAnybody()
    const older = alteredKernel(kernel, {
      readText: (path) => kernel.readText(path.replace(/iommu_group\/type$/, 'none')),
    })
    expect(readPciDevice(older, address)).toMatchObject({ iommuGroup: '1', iommuType: undefined })
  })

  it('lists the devices that there are where there is none', () => {
    expect(() => readPciDevice(machineOfAnybody().kernel, '0000:00:01.0')).toThrow(
      expect.objectContaining({ code: 'DMA_NO_DEVICE', hint: expect.stringContaining(address) }),
    )
  })
})

describe('readPciBars', () => {
  it('has BARs of every kind, a 64-bit one once', () => {
    const bars = readPciBars(machineOfAnybody().kernel, address)
    expect(bars).toEqual([
      {
        index: 0,
        address: expect.any(BigInt),
        byteLength: 0x2000,
        kind: 'memory',
        is64Bit: false,
        prefetchable: false,
      },
      {
        index: 1,
        address: expect.any(BigInt),
        byteLength: 0x40,
        kind: 'io',
        is64Bit: false,
        prefetchable: false,
      },
      {
        index: 2,
        address: expect.any(BigInt),
        byteLength: 0x10_0000,
        kind: 'memory',
        is64Bit: true,
        prefetchable: true,
      },
    ])
    expect(bars[2]!.address).toBeGreaterThan(0xffff_ffffn)
  })

  it('has no BAR without a place, no ROM, and no bridge window', () => {
    const lines = [
      '0x0000000000000000 0x0000000000000fff 0x0000000020040200', // found no room
      '0x00000000fea00000 0x00000000fea00fff 0x0000000010040200', // switched off
      '0x00000000fea01000 0x00000000fea010ff 0x0000000080040200', // in use
      '0x0000000000000000 0x0000000000000000 0x0000000000000000',
      '0x0000000000000000 0xffffffffffffffff 0x0000000000000000',
      '0x0000000000000000 0x0000000000000000 0x0000000000000000',
      '0x00000000febc0000 0x00000000febfffff 0x0000000000046200', // the ROM
      '0x000000000000c000 0x000000000000cfff 0x0000000000000101',
    ]
    const kernel = { readText: () => `${lines.join('\n')}\n` } as unknown as Kernel
    expect(readPciBars(kernel, address).map(({ index, byteLength }) => [index, byteLength])).toEqual([
      [2, 256],
    ])
  })

  it('is ENOENT where there is no device', () => {
    expect(() => readPciBars(machineOfAnybody().kernel, '0000:00:01.0')).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    )
  })
})

describe('readPciCommand', () => {
  it('tells everybody whether a device may use the bus, and whether its pin is masked', () => {
    const { machine, kernel } = machineOfAnybody()
    expect(readPciCommand(kernel, address)).toEqual({ busMaster: false, intxDisabled: false })
    machine.setUid(0)
    const fd = kernel.open(`${folder}/config`, 2)
    kernel.write(fd, Uint8Array.of(0x06, 0x04), 4)
    kernel.close(fd)
    machine.setUid(1000)
    expect(readPciCommand(kernel, address)).toEqual({ busMaster: true, intxDisabled: true })
    machine.failCall({ syscall: 'pread', code: 'EIO' })
    expect(() => readPciCommand(kernel, address)).toThrow(expect.objectContaining({ code: 'EIO' }))
    machine.assertQuiescent()
  })

  it('takes a device that does not answer for one that does nothing', () => {
    const silent = {
      open: () => 3,
      close() {},
      read(_fd: number, bytes: Uint8Array) {
        bytes.fill(0xff)
        return bytes.byteLength
      },
    } as unknown as Kernel
    expect(readPciCommand(silent, address)).toEqual({ busMaster: false, intxDisabled: false })
    const cut = { ...silent, read: () => 0 } as unknown as Kernel
    expect(readPciCommand(cut, address)).toEqual({ busMaster: false, intxDisabled: false })
  })
})
