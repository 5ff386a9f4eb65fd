import assert from 'node:assert/strict'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { settle } from '../edu'
import type { Host, Runner } from '../host'
import { ADMIN_QUEUE_ATTRIBUTES, CAPABILITIES, VERSION } from '../nvme'
import { refusal, withoutLeaks } from '../with-device'

/** What the edu device does not have: a 64-bit BAR, many vectors, a reset. */
export function vfioNvme({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const withNvme = (test: (device: VfioDevice) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using device = openVfioDevice(host.nvme, { kernel })
      await test(device)
    })

  describe('vfio nvme', () => {
    it('reads a 64-bit register at once and by halves', () =>
      withNvme((device) => {
        const registers = device.bar(0)
        assert.equal(registers.byteLength, 16384)
        const halves = [registers.read32(CAPABILITIES), registers.read32(CAPABILITIES + 4)].map(BigInt)
        assert.equal(registers.read64(CAPABILITIES), (halves[1]! << 32n) | halves[0]!)
        assert.notEqual(registers.read32(VERSION), 0)
        refusal(() => device.bar(1), 'DMA_NO_REGION', /upper half/)
      }))

    it('takes several MSI-X vectors through one stream, each in its turn', () =>
      withNvme(async (device) => {
        device.setMaster()
        using stream = device.interrupts({ vectors: 3 })
        assert.equal(stream.kind, 'msix')
        for (const vector of [2, 0, 2]) {
          stream.trigger(vector)
          await settle(kernel)
        }
        assert.equal(stream.pending, 3)
        const taken = [
          await stream.wait({ timeoutMilliseconds: 1000 }),
          await stream.wait({ timeoutMilliseconds: 1000 }),
        ]
        assert.deepEqual(taken, [
          { vector: 0, count: 1 },
          { vector: 2, count: 2 },
        ])
        stream.trigger(1)
        assert.deepEqual(await stream.wait({ timeoutMilliseconds: 1000 }), { vector: 1, count: 1 })
        refusal(() => stream.trigger(3), 'DMA_INVALID_ARGUMENT')
        refusal(() => stream.mask(), 'DMA_NOT_MASKABLE')
        stream.close()
        refusal(() => device.interrupts({ vectors: 66 }), 'DMA_INVALID_ARGUMENT', /65 msix/)
      }))

    it('resets, and knows afterwards whether the device may use the bus', () =>
      withNvme((device) => {
        const registers = device.bar(0)
        device.setMaster()
        registers.write32(ADMIN_QUEUE_ATTRIBUTES, 0x0007_0007)
        assert.equal(registers.read32(ADMIN_QUEUE_ATTRIBUTES), 0x0007_0007)
        const version = registers.read32(VERSION)
        device.reset()
        // What a reset clears is the device's to decide; that it answers as before is not.
        assert.equal(registers.read32(VERSION), version)
        assert.equal(device.busMaster, (device.config.read16(0x04) & 4) !== 0)
      }))

    it('drives two devices at once', () =>
      withNvme(async (nvme) => {
        using edu = openVfioDevice(host.edu, { kernel })
        edu.setMaster()
        nvme.setMaster()
        using first = edu.interrupts()
        using second = nvme.interrupts()
        second.trigger()
        assert.equal((await second.wait({ timeoutMilliseconds: 1000 })).count, 1)
        await settle(kernel)
        assert.equal(first.pending, 0)
        first.trigger()
        assert.equal((await first.wait({ timeoutMilliseconds: 1000 })).count, 1)
        assert.equal(second.pending, 0)
      }))
  })
}
