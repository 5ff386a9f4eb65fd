import assert from 'node:assert/strict'
import { openVfioDevice } from '@linux-dma/vfio'
import { EDU_ID, EDU_LIVENESS } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

/** Registers and configuration space of the edu device. */
export function vfioRegisters({ describe, it }: Runner, host: Host): void {
  describe('vfio registers', () => {
    it('reads and writes 32-bit registers', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        assert.equal(registers.byteLength, 0x10_0000)
        assert.equal(registers.read32(EDU_ID), 0x0100_00ed)
        registers.write32(EDU_LIVENESS, 0x1234_5678)
        assert.equal(registers.read32(EDU_LIVENESS), 0xedcb_a987)
        assert.equal(device.bar(0), registers)
      }))

    it('reads and writes through bound registers', () =>
      withDevice(host, (device) => {
        const liveness = device.bar(0).register32(EDU_LIVENESS)
        for (let probe = 0; probe < 50; probe++) {
          liveness.write(probe)
          assert.equal(liveness.read(), ~probe >>> 0)
        }
      }))

    it('makes accesses of exactly the width that is asked for', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        // The device takes 32-bit accesses below 0x80 and no others: an 8- or 16-bit one reads 0, a 64-bit one all ones.
        assert.equal(registers.read8(EDU_ID), 0)
        assert.equal(registers.read16(EDU_ID), 0)
        assert.equal(registers.read64(EDU_ID), 0xffff_ffff_ffff_ffffn)
        registers.write32(EDU_LIVENESS, 5)
        registers.write8(EDU_LIVENESS, 9)
        registers.write16(EDU_LIVENESS, 9)
        assert.equal(registers.read32(EDU_LIVENESS), ~5 >>> 0)
        // From 0x80 on it takes 64 bits too.
        registers.write64(0x80, 0x1234_5678n)
        assert.equal(registers.read64(0x80), 0x1234_5678n)
        assert.equal(registers.read32(0x80), 0x1234_5678)
      }))

    it('refuses offsets outside, unaligned or senseless before anything happens', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        for (const offset of [
          -4,
          2,
          0x10_0000,
          0x0f_ffff,
          0.5,
          Number.NaN,
          2 ** 31,
          2 ** 53,
          '0' as never,
          null as never,
        ]) {
          refusal(() => registers.read32(offset), 'DMA_RANGE')
          refusal(() => registers.write32(offset, 0), 'DMA_RANGE')
          refusal(() => registers.register32(offset), 'DMA_RANGE')
        }
        refusal(() => registers.read64(4), 'DMA_RANGE', /multiples of 8/)
        for (const value of [-1, 2 ** 32, 0.5, Number.NaN, 5n as never, undefined as never]) {
          refusal(() => registers.write32(EDU_LIVENESS, value), 'DMA_VALUE_RANGE')
        }
        refusal(() => registers.write64(0x80, 5 as never), 'DMA_VALUE_RANGE')
        refusal(() => registers.write64(0x80, 1n << 64n), 'DMA_VALUE_RANGE')
      }))

    it('gives parts of a region, which close with it', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        const dma = registers.subRegion(0x80, 0x20)
        dma.write32(0x10, 77)
        assert.equal(registers.read32(0x90), 77)
        refusal(() => dma.read32(0x20), 'DMA_RANGE')
        refusal(() => registers.subRegion(0x80, 0x10_0000), 'DMA_RANGE')
        device.close()
        refusal(() => dma.read32(0x10), 'DMA_CLOSED')
      }))

    it('refuses registers after close', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        const bound = registers.register32(EDU_ID)
        const { config } = device
        device.close()
        refusal(() => registers.read32(EDU_ID), 'DMA_CLOSED')
        refusal(() => registers.write32(EDU_LIVENESS, 1), 'DMA_CLOSED')
        refusal(() => bound.read(), 'DMA_CLOSED')
        refusal(() => bound.write(1), 'DMA_CLOSED')
        refusal(() => config.read16(0), 'DMA_CLOSED')
        refusal(() => device.bar(0), 'DMA_CLOSED')
        refusal(() => device.setMaster(), 'DMA_CLOSED')
      }))

    it('checks the alignment that the device sees, also in a part that begins off it', () =>
      withDevice(host, (device) => {
        const part = device.bar(0).subRegion(2, 8)
        refusal(() => part.read32(0), 'DMA_RANGE', /begins at 0x2/)
        refusal(() => part.write32(0, 5), 'DMA_RANGE')
        assert.equal(part.read32(2), device.bar(0).read32(EDU_LIVENESS))
      }))

    it('gives a part of a BAR, and the whole again after it was closed', () =>
      withDevice(host, (device) => {
        const part = device.bar(0, { byteOffset: 0, byteLength: 0x20 })
        assert.equal(part.read32(EDU_ID), 0x0100_00ed)
        refusal(() => part.read32(0x20), 'DMA_RANGE')
        refusal(() => device.bar(0, { byteOffset: 8, byteLength: 8 }), 'DMA_RANGE', /page/)
        refusal(() => device.bar(0, { byteOffset: 0, byteLength: 0x20_0000 }), 'DMA_RANGE')
        refusal(() => device.bar(0, { offset: 0 } as never), 'DMA_INVALID_ARGUMENT', /byteOffset/)
        device.bar(0).close()
        assert.equal(device.bar(0).read32(EDU_ID), 0x0100_00ed)
      }))

    it('refuses a write to configuration space that would make mapped registers fault', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        const command = device.config.read16(0x04)
        refusal(() => device.config.write16(0x04, command & ~2), 'DMA_BAR_IN_USE', /close the regions/)
        refusal(() => device.config.write8(0x04, 0), 'DMA_BAR_IN_USE')
        assert.equal(registers.read32(EDU_ID), 0x0100_00ed)
        registers.close()
        device.config.write16(0x04, command & ~2)
        refusal(() => device.bar(0), 'DMA_BAR_DISABLED', /config\.write16/)
        // What is off already stands in nobody's way.
        device.setMaster()
        device.clearMaster()
        device.config.write16(0x04, command)
        assert.equal(device.bar(0).read32(EDU_ID), 0x0100_00ed)
      }))

    it('does not write a late value into whatever file has the descriptor’s number now', () =>
      withoutLeaks(host, () => {
        const { kernel } = host
        const device = openVfioDevice(host.edu, { kernel })
        const bound = device.config.register16(0x04)
        device.close()
        const files = Array.from({ length: 8 }, () => kernel.memfd('later', { byteLength: 4096 }))
        refusal(() => bound.read(), 'DMA_CLOSED')
        refusal(() => bound.write(0x4142), 'DMA_CLOSED')
        for (const file of files) kernel.close(file)
      }))

    it('stops the device at close, whatever was closed before', () =>
      withoutLeaks(host, () => {
        const device = openVfioDevice(host.edu, { kernel: host.kernel })
        device.setMaster()
        device.config.close()
        device.close()
        using again = openVfioDevice(host.edu, { kernel: host.kernel })
        assert.equal(again.busMaster, false)
      }))

    it('sends a device to no address that is none', () =>
      withDevice(host, (device) => {
        const registers = device.bar(0)
        registers.write64(0x80, 77n)
        for (const address of [undefined, null, {}, '5', 5n, Number.NaN, -1, 0.5, 2 ** 53]) {
          refusal(() => registers.writeAddress(0x80, address as never), 'DMA_INVALID_ARGUMENT', /dmaAddress/)
          refusal(() => registers.writeAddressLowHigh(0x80, address as never), 'DMA_INVALID_ARGUMENT')
          refusal(() => registers.writeAddressHighLow(0x80, address as never), 'DMA_INVALID_ARGUMENT')
        }
        assert.equal(registers.read64(0x80), 77n)
      }))

    it('times out with the last value', () =>
      withDevice(host, async (device) => {
        const registers = device.bar(0)
        await assert.rejects(
          registers.pollUntil(EDU_ID, () => false, { timeoutMilliseconds: 20, intervalMilliseconds: 1 }),
          (error: Error & { code: string }) =>
            error.code === 'ETIMEDOUT' && error.message.includes('0x10000ed'),
        )
        const reason = new Error('enough')
        const signal = AbortSignal.abort(reason)
        await assert.rejects(
          registers.pollUntil(EDU_ID, () => false, { timeoutMilliseconds: 20, signal }),
          reason,
        )
        await assert.rejects(
          registers.pollUntil(EDU_ID, () => false, { timeoutMilliseconds: -1 }),
          {
            code: 'DMA_INVALID_ARGUMENT',
          },
        )
        assert.equal(
          await registers.pollUntil(EDU_ID, (id) => id !== 0, { timeoutMilliseconds: 0 }),
          0x0100_00ed,
        )
      }))

    it('reads and writes configuration space', () =>
      withDevice(host, (device) => {
        assert.equal(device.config.read16(0x00), 0x1234)
        assert.equal(device.config.read16(0x02), 0x11e8)
        assert.equal(device.config.read32(0x00), 0x11e8_1234)
        assert.equal(device.config.read8(0x08), 0x10)
        assert.deepEqual([device.vendorId, device.deviceId], [0x1234, 0x11e8])
        refusal(() => device.config.read32(0x100), 'DMA_RANGE')
        refusal(() => device.config.read64(0), 'DMA_UNSUPPORTED', /32-bit/)
        refusal(() => device.config.write64(8, 0n), 'DMA_UNSUPPORTED')
      }))

    it('turns bus mastering on and off, whoever writes the command register', () =>
      withDevice(host, (device) => {
        assert.equal(device.busMaster, false)
        device.setMaster()
        assert.equal(device.busMaster, true)
        assert.equal(device.config.read16(0x04) & 4, 4)
        device.clearMaster()
        assert.equal(device.config.read16(0x04) & 4, 0)
        device.config.write16(0x04, device.config.read16(0x04) | 4)
        assert.equal(device.busMaster, true)
        device.config.write8(0x04, device.config.read8(0x04) & ~4)
        assert.equal(device.busMaster, false)
      }))

    it('says which BARs there are', () =>
      withDevice(host, (device) => {
        for (const index of [1, 5, 6, 7, -1, 0.5, Number.NaN, '0' as never, undefined as never])
          refusal(() => device.bar(index), 'DMA_NO_REGION', /BAR 0/)
      }))

    it('says that a device cannot be reset', () =>
      withDevice(host, (device) => {
        refusal(() => device.reset(), 'DMA_UNSUPPORTED', /clearMaster/)
      }))
  })
}
