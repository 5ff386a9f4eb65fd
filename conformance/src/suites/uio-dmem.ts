import assert from 'node:assert/strict'
import { addToDmaAddress, dmaBitMask, dmaSetMaskAndCoherent, type Kernel } from '@linux-dma/core'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { uioOf } from '../with-uio'

/** The dynamic regions of uio_dmem_genirq, as they were before Linux 6.9 and as they are since. */
export function uioDmem({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  const withDmem = async (
    behaviour: 'old' | 'new',
    options: { unsafePhysicalAddresses?: boolean },
    test: (device: UioDevice) => void | Promise<void>,
  ) => {
    host.uio.addDmem(behaviour)
    try {
      await withoutLeaks(host, async () => {
        const { node } = uioOf(kernel, ({ driver }) => driver === 'uio_dmem_genirq')
        using device = openUio(node, { kernel, ...options })
        await test(device)
      })
    } finally {
      host.uio.removePlatformEdu()
    }
  }

  /** Has the device fetch a pattern from one end of an allocation and put it at the other. */
  const throughDevice = async (device: UioDevice, byteLength: number) => {
    using memory = device.allocateCoherent(byteLength)
    assert.deepEqual(memory.bytes, new Uint8Array(byteLength))
    fillPattern(memory.bytes.subarray(0, 100), byteLength)
    const end = addToDmaAddress(memory.dmaAddress, byteLength - 100)
    await transfer(device.map(0), 'to-device', memory.dmaAddress, 100)
    await transfer(device.map(0), 'from-device', end, 100)
    assert.deepEqual(memory.bytes.slice(-100), memory.bytes.slice(0, 100))
    return memory.origin
  }

  describe('uio_dmem_genirq before Linux 6.9', () => {
    it('has coherent memory that the device finds', () =>
      withDmem('old', {}, async (device) => {
        assert.equal(await throughDevice(device, page), 'uio_dmem_genirq map1')
        assert.equal(await throughDevice(device, 20_000), 'uio_dmem_genirq map2')
        using first = device.allocateCoherent(1)
        using second = device.allocateCoherent(1)
        assert.deepEqual([first.origin, second.origin], ['uio_dmem_genirq map1', 'uio_dmem_genirq map2'])
        refusal(() => device.allocateCoherent(1), 'ENOMEM', /free an allocation/)
        first.bytes[0] = 7
        first.free()
        assert.equal(await throughDevice(device, 16_384), 'uio_dmem_genirq map1')
        refusal(() => device.allocateCoherent(65_537), 'ENOMEM', /allocate less/)
      }))

    it('is left alone where it was there before this process opened the device', () =>
      withDmem('old', {}, (device) => {
        const memory = device.allocateCoherent(page)
        memory.bytes.fill(9)
        // As another process has it, to which this one's descriptor is none of its own.
        const list: Kernel['list'] = (path) => (path === '/proc/self/fd' ? [] : kernel.list(path))
        const elsewhere = new Proxy(kernel, {
          get: (target, name) => {
            if (name === 'list') return list
            const member: unknown = Reflect.get(target, name, target)
            return typeof member === 'function' ? member.bind(target) : member
          },
        })
        using other = openUio(device.node, { kernel: elsewhere })
        refusal(() => other.allocateCoherent(page), 'DMA_IN_USE', /fuser -v/)
        assert.equal(memory.bytes[0], 9)
      }))

    it('comes before physical addresses, which are taken once it is in use', () =>
      withDmem('old', { unsafePhysicalAddresses: true }, async (device) => {
        dmaSetMaskAndCoherent(device, dmaBitMask(32))
        assert.equal(await throughDevice(device, page), 'uio_dmem_genirq map1')
        using _first = device.allocateCoherent(1)
        using _second = device.allocateCoherent(1)
        dmaSetMaskAndCoherent(device, dmaBitMask(64))
        using third = device.allocateCoherent(1)
        assert.equal(third.origin, 'direct')
      }))
  })

  describe('uio_dmem_genirq since Linux 6.9', () => {
    it('has memory that is never given to the device', () =>
      withDmem('new', {}, (device) => {
        const error = refusal(() => device.allocateCoherent(page), 'DMA_KERNEL_POINTER', /mapMemory\(1\)/)
        assert.match(error.message, /map1, map2/)
        using memory = device.mapMemory(1)
        memory.bytes.fill(5)
        assert.equal(memory.byteLength, 16_384)
      }))

    it('is passed over where physical addresses were asked for', () =>
      withDmem('new', { unsafePhysicalAddresses: true }, async (device) => {
        dmaSetMaskAndCoherent(device, dmaBitMask(64))
        assert.equal(await throughDevice(device, page), 'direct')
      }))
  })

  describe('memory of another UIO driver', () => {
    it('is explained, where nobody tells where the device finds it', () =>
      withoutLeaks(host, () => {
        using device = openUio({ name: 'lab_uio' }, { kernel })
        const error = refusal(() => device.allocateCoherent(page), 'DMA_UNSAFE_PHYSICAL', /device\.mapMemory/)
        assert.match(error.message, /map2 'coherent'/)
      }))
  })
}
