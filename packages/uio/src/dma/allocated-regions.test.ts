import {
  DmaAttribute,
  type DmaError,
  dmaAllocCoherent,
  dmaBitMask,
  dmaSetCoherentMask,
} from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { withFile } from '../../test-support/changed-kernel'
import { patched, refusal, roundTrip } from '../../test-support/driver-machines'
import { openUio } from '../device/open-uio'
import { readUioDevice } from '../discovery/list-devices'

const EDU = '0000:00:04.0'
const PAGE = 4096

describe('memory at the magic offset', () => {
  it('is allocated, used by the device behind its IOMMU, and used again', async () => {
    const { machine, kernel, device } = patched('magic')
    expect(await roundTrip(device, 2 * PAGE)).toBe('uio dma memory map1000: to and fro')
    expect(machine.faults).toEqual([])
    const again = device.allocateCoherent(PAGE)
    expect(again.origin).toBe('uio dma memory map1000')
    expect(again.bytes).toEqual(new Uint8Array(PAGE))
    const next = device.allocateCoherent(1)
    expect([next.origin, next.bytes.byteLength]).toEqual(['uio dma memory map1001', 1])
    const { maps } = readUioDevice(kernel, 'uio0')
    expect(maps.filter(({ dmaMemory }) => dmaMemory).map(({ byteLength }) => byteLength)).toEqual([
      2 * PAGE,
      PAGE,
    ])
    device.close()
  })

  it('leaves alone what an earlier process allocated', () => {
    const { machine, kernel, device } = patched('magic')
    device.allocateCoherent(PAGE)
    device.close()
    machine.assertQuiescent()
    const again = openUio(0, { kernel })
    again.setMaster()
    expect(again.allocateCoherent(PAGE).origin).toBe('uio dma memory map1001')
    again.close()
    machine.assertQuiescent()
  })

  it('above the mask is given back, and no more of it is made', () => {
    const { machine, kernel, device } = patched('magic')
    dmaSetCoherentMask(device, dmaBitMask(24))
    for (let round = 0; round < 3; round++) {
      expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('DMA_ABOVE_MASK')
    }
    expect(kernel.list('/sys/class/uio/uio0/maps').filter((name) => name.startsWith('map1'))).toEqual([
      'map1000',
    ])
    dmaSetCoherentMask(device, dmaBitMask(32))
    expect(device.allocateCoherent(PAGE).origin).toBe('uio dma memory map1000')
    device.close()
    machine.assertQuiescent()
  })

  it('is believed only where sysfs says the same', () => {
    for (const [file, text] of [
      ['addr', '0x0000000012345000'],
      ['size', '0x0000000000002000'],
    ] as const) {
      const { machine, kernel, device } = patched('magic')
      device.close()
      const lying = openUio(0, { kernel: withFile(kernel, `map1000/${file}`, text) })
      lying.setMaster()
      const error = refusal(() => lying.allocateCoherent(PAGE))
      expect(error.code).toBe('DMA_UNTRUSTED_ADDRESS')
      expect(error.message).toContain('map1000')
      // Not tried again: each try would take more memory until the driver goes.
      expect(refusal(() => lying.allocateCoherent(PAGE)).code).toBe('DMA_UNTRUSTED_ADDRESS')
      expect(kernel.list('/sys/class/uio/uio0/maps')).not.toContain('map1001')
      lying.close()
      machine.assertQuiescent()
    }
  })

  it('is memory of the driver, which no memfd is behind', () => {
    const { machine, device } = patched('magic')
    const memory = device.allocateCoherent(PAGE)
    expect(refusal(() => memory.memory).code).toBe('DMA_UNSUPPORTED')
    expect(refusal(() => dmaAllocCoherent(device, PAGE, DmaAttribute.NoKernelMapping)).code).toMatch(
      /DMA_UNSUPPORTED|DMA_TRANSLATED/,
    )
    expect(refusal(() => dmaSetCoherentMask(device, dmaBitMask(24))).code).toBe('DMA_MASK_IN_USE')
    device.close()
    expect(memory.freed).toBe(true)
    expect(refusal(() => memory.bytes).code).toBe('DMA_CLOSED')
    machine.assertQuiescent()
  })

  it('leaves the process at once when the device goes', async () => {
    const { machine, kernel, device } = patched('magic')
    const memory = device.allocateCoherent(PAGE)
    const { bytes } = memory
    bytes.fill(7)
    const gone = new Promise((resolve) => device.removed.addEventListener('abort', resolve))
    kernel.writeText(`/sys/bus/pci/devices/${EDU}/driver/unbind`, EDU)
    await gone
    expect(memory.freed).toBe(true)
    expect(bytes[0]).toBe(0)
    expect(refusal(() => memory.bytes).code).toBe('DMA_DEVICE_GONE')
    expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('DMA_DEVICE_GONE')
    device.close()
    expect(device.children.size).toBe(0)
    machine.assertQuiescent()
  })

  it('leaves nothing mapped whatever fails', () => {
    for (const syscall of ['mmap', 'open', 'read'] as const) {
      const { machine, device } = patched('magic')
      machine.failCall({ syscall, nth: 1, code: 'ENOMEM' })
      try {
        device.allocateCoherent(PAGE).free()
      } catch (error) {
        expect((error as DmaError).code).toMatch(/ENOMEM|DMA_/)
      }
      expect(device.children.size).toBe(0)
      device.close()
      machine.assertQuiescent()
    }
  })
})
