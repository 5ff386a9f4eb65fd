import assert from 'node:assert/strict'
import { bindDriver } from '@linux-dma/pci'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { EDU_ID, settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'
import { BUS_MASTER, commandOf, withUio, withUioBound } from '../with-uio'

/** Everything that can be asked of a device. */
export function everyCall(device: UioDevice): (() => unknown)[] {
  return [
    () => device.setMaster(),
    () => device.clearMaster(),
    () => device.map(0),
    () => device.mapMemory(0),
    () => device.bar(0),
    () => device.port(0),
    () => device.config,
    () => device.interrupts(),
    () => device.eventCount,
    () => device.allocateCoherent(4096),
    () => device.verifyFrames(),
    () => device.assertOpen(),
    () => device.assertReady(),
  ]
}

/** The driver is unbound while the device is open, as an administrator or an unplugged cable does it. */
export function uioUnbind({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const whenUnbound = (test: (device: UioDevice, unbind: () => Promise<void>) => Promise<void>) =>
    withUio(host, async (device) => {
      try {
        await test(device, () => host.unbind(edu))
      } finally {
        bindDriver(edu, 'uio_pci_generic', { kernel })
      }
    })

  describe('uio unbind', () => {
    it('rejects whoever waits, and whoever asks later', () =>
      whenUnbound(async (device, unbind) => {
        const stream = device.interrupts()
        const waiting = assert.rejects(stream.next(), ({ code, hint }) => {
          assert.match(hint, /close\(\)/)
          return code === 'DMA_DEVICE_GONE'
        })
        await unbind()
        await waiting
        await assert.rejects(stream.next(), { code: 'DMA_DEVICE_GONE' })
        await assert.rejects(stream.wait({ timeoutMilliseconds: 10 }), { code: 'DMA_DEVICE_GONE' })
        refusal(() => stream.enable(), 'DMA_DEVICE_GONE')
      }))

    it('aborts `removed`, which can end anything else', () =>
      whenUnbound(async (device, unbind) => {
        const gone = new Promise((resolve) => device.removed.addEventListener('abort', resolve))
        const sleeping = assert.rejects(kernel.clock.sleep(60_000, { signal: device.removed }), {
          code: 'DMA_DEVICE_GONE',
        })
        assert.equal(device.removed.aborted, false)
        await unbind()
        await Promise.all([gone, sleeping])
        assert.equal((device.removed.reason as { code: string }).code, 'DMA_DEVICE_GONE')
      }))

    it('refuses every call from then on, also before the event loop has turned', () =>
      whenUnbound(async (device) => {
        device.setMaster()
        bindDriver(edu, null, { kernel })
        for (const call of everyCall(device)) refusal(call, 'DMA_DEVICE_GONE')
        assert.deepEqual([device.busMaster, device.dmaReady], [false, false])
        assert.equal(device.removed.aborted, true)
      }))

    it('writes nothing to what is another driver’s by then', () =>
      whenUnbound(async (device) => {
        device.setMaster()
        const { config } = device
        bindDriver(edu, null, { kernel })
        refusal(() => config.write16(4, 0x107), 'DMA_DEVICE_GONE')
        refusal(() => config.read16(4), 'DMA_DEVICE_GONE')
        assert.equal(commandOf(host) & BUS_MASTER, 0, 'the kernel turned it off')
        device.close()
      }))

    it('leaves mapped registers as they are', () =>
      whenUnbound(async (device, unbind) => {
        const registers = device.bar(0)
        await unbind()
        await settle(kernel)
        refusal(() => device.bar(0), 'DMA_DEVICE_GONE')
        assert.equal(registers.read32(EDU_ID), 0x0100_00ed)
        device.close()
        refusal(() => registers.read32(EDU_ID), 'DMA_CLOSED')
      }))

    it('lets the device be opened anew while what is gone is still open', () =>
      withUioBound(host, edu, async () => {
        using gone = openUio({ pci: edu }, { kernel })
        using alsoGone = openUio({ pci: edu }, { kernel })
        bindDriver(edu, null, { kernel })
        bindDriver(edu, 'uio_pci_generic', { kernel })
        using device = openUio({ pci: edu }, { kernel })
        device.setMaster()
        refusal(() => gone.setMaster(), 'DMA_DEVICE_GONE')
        gone.close()
        alsoGone.close()
        assert.equal(device.busMaster, true, 'closing the old one does nothing to the new')
        using stream = device.interrupts()
        assert.equal(stream.closed, false)
      }))
  })
}
