import assert from 'node:assert/strict'
import { DmaDirection, dmaMapSingle } from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { EDU_ID, settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'
import { BUS_MASTER, commandOf, until, withUio, withUioBound } from '../with-uio'

/** Everything that can be asked of a device, each of which notices by itself that it has gone. */
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
  ]
}

/** What is asked so often that, where an interrupt tells that the device has gone, it is not looked up each time. */
export function everyQuickCall(device: UioDevice): (() => unknown)[] {
  return [
    () => device.assertOpen(),
    () => device.assertReady(),
    () => dmaMapSingle(device, new Uint8Array(8), DmaDirection.ToDevice),
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

    it('refuses every call from then on, whichever comes first, also before the event loop has turned', () =>
      withUioBound(host, edu, async () => {
        const open = () => openUio({ pci: edu }, { kernel })
        const calls = (device: UioDevice) => everyCall(device).length
        for (let which = 0, of = 1; which < of; which++) {
          using device = open()
          of = calls(device)
          device.setMaster()
          bindDriver(edu, null, { kernel })
          refusal(everyCall(device)[which]!, 'DMA_DEVICE_GONE')
          assert.deepEqual([device.busMaster, device.dmaReady], [false, false])
          assert.equal(device.removed.aborted, true)
          bindDriver(edu, 'uio_pci_generic', { kernel })
        }
      }))

    it('refuses what is not looked up each time as soon as the interrupt’s watch has told', () =>
      whenUnbound(async (device, unbind) => {
        device.setMaster()
        await unbind()
        await until(kernel, () => device.removed.aborted)
        for (const call of everyQuickCall(device)) refusal(call, 'DMA_DEVICE_GONE')
        assert.equal(device.dmaReady, false)
      }))

    it('closes without a word, whether or not it was noticed', () =>
      withUioBound(host, edu, async () => {
        for (const noticed of [true, false]) {
          const device = openUio({ pci: edu }, { kernel })
          device.setMaster()
          device.bar(0)
          void device.config
          const stream = device.interrupts()
          bindDriver(edu, null, { kernel })
          if (noticed) await settle(kernel)
          device.close()
          assert.deepEqual([device.closed, stream.closed], [true, true])
          bindDriver(edu, 'uio_pci_generic', { kernel })
        }
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

    it('closes all registers, of each who has it open: they may be another driver’s', () =>
      whenUnbound(async (device, unbind) => {
        using second = openUio(device.node, { kernel })
        const bar = device.bar(0)
        const regions = [
          bar,
          bar.relaxed,
          bar.subRegion(0, 4),
          device.map(0),
          device.bar(0, { byteOffset: 0, byteLength: kernel.pageSize }),
          second.bar(0),
        ]
        const bound = bar.register32(EDU_ID)
        let whenTold: boolean[] = []
        device.removed.addEventListener('abort', () => {
          whenTold = regions.map(({ closed }) => closed)
        })
        await unbind()
        await until(kernel, () => device.removed.aborted)
        assert.deepEqual(
          whenTold,
          regions.map(() => true),
        )
        for (const region of regions) {
          refusal(() => region.read32(EDU_ID), 'DMA_CLOSED')
          refusal(() => region.write32(EDU_ID, 0), 'DMA_CLOSED')
        }
        refusal(() => bound.read(), 'DMA_CLOSED')
        refusal(() => device.bar(0), 'DMA_DEVICE_GONE')
        refusal(() => device.config.read16(4), 'DMA_DEVICE_GONE')
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
