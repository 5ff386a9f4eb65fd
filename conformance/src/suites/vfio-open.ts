import assert from 'node:assert/strict'
import { bindDriver } from '@linux-dma/pci'
import { openVfioDevice } from '@linux-dma/vfio'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** Opening a device, and what can be in the way. */
export function vfioOpen({ describe, it }: Runner, host: Host): void {
  const { kernel, edu, shared } = host
  const open = (address: string) => () => openVfioDevice(address, { kernel })

  describe('vfio open', () => {
    it('opens, closes and opens again, ten times', () =>
      withoutLeaks(host, () => {
        for (let i = 0; i < 10; i++) {
          using device = openVfioDevice(edu, { kernel })
          assert.equal(device.bar(0).read32(0), 0x0100_00ed)
        }
      }))

    it('takes an address without its domain, and in capitals', () =>
      withoutLeaks(host, () => {
        using device = openVfioDevice(edu.slice(5).toUpperCase(), { kernel })
        assert.equal(device.address, edu)
      }))

    it('refuses what is no address', () =>
      withoutLeaks(host, () => {
        for (const text of ['', 'edu', '0000:00:04', '0000:00:04.8', '0000:00:20.0', '../../etc', 4, null]) {
          refusal(open(text as string), 'DMA_INVALID_ARGUMENT', /0000:00:04\.0/)
        }
      }))

    it('says that there is no such device, and which there are', () =>
      withoutLeaks(host, () => {
        refusal(open('0000:00:1e.7'), 'DMA_NO_DEVICE', new RegExp(edu))
      }))

    it('refuses an option it does not know', () =>
      withoutLeaks(host, () => {
        refusal(() => openVfioDevice(edu, { kernal: kernel } as never), 'DMA_INVALID_ARGUMENT', /kernel/)
        refusal(() => openVfioDevice(edu, { kernel: {} } as never), 'DMA_INVALID_ARGUMENT', /machine\.kernel/)
      }))

    it('says how to bind a device that another driver has, or none', () =>
      withoutLeaks(host, () => {
        bindDriver(shared.second, shared.otherDriver, { kernel })
        try {
          const error = refusal(
            open(shared.second),
            'DMA_NOT_BOUND',
            /driver_override.*unbind.*drivers_probe/,
          )
          assert.match(error.message, new RegExp(shared.otherDriver))
        } finally {
          bindDriver(shared.second, null, { kernel })
        }
        refusal(open(shared.second), 'DMA_NOT_BOUND', /driver_override.*drivers_probe/)
      }))

    it('names the devices that keep a group from being used, and their drivers', () =>
      withoutLeaks(host, () => {
        bindDriver(shared.first, 'vfio-pci', { kernel })
        bindDriver(shared.second, shared.otherDriver, { kernel })
        try {
          const error = refusal(open(shared.first), 'DMA_GROUP_NOT_VIABLE', /bind every device/)
          assert.match(error.message, new RegExp(`${shared.first} \\(vfio-pci\\)`))
          assert.match(error.message, new RegExp(`${shared.second} \\(${shared.otherDriver}\\)`))
        } finally {
          bindDriver(shared.first, null, { kernel })
          bindDriver(shared.second, null, { kernel })
        }
      }))

    it('is told when the kernel wants the device back', () =>
      withoutLeaks(host, async () => {
        const device = openVfioDevice(edu, { kernel })
        device.setMaster()
        const waiting = device.interrupts({ signal: device.removalRequest }).next()
        const unbound = host.unbind(edu)
        await assert.rejects(waiting, { code: 'DMA_REMOVAL_REQUESTED' })
        assert.equal(device.removalRequest.aborted, true)
        device.close()
        await unbound
        refusal(open(edu), 'DMA_NOT_BOUND')
        bindDriver(edu, 'vfio-pci', { kernel })
        open(edu)().close()
      }))

    it('says that the device is open already', () =>
      withoutLeaks(host, () => {
        using _device = openVfioDevice(edu, { kernel })
        refusal(open(edu), 'EBUSY', /close the device first/)
      }))
  })
}
