import assert from 'node:assert/strict'
import {
  addToDmaAddress,
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaFreeCoherent,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
  toNumber,
} from '@linux-dma/core'
import type { VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { withDevice } from '../with-device'

const ToDevice = DmaDirection.ToDevice
const FromDevice = DmaDirection.FromDevice

function ready(device: VfioDevice): VfioDevice {
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  device.setMaster()
  return device
}

/** Bytes that really move: what the device read and wrote, by the bytes that come back. */
export function vfioDma({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('vfio dma', () => {
    it('moves bytes both ways through a region', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using region = createDmaRegion(device, { byteLength: 8192 })
        const outgoing = region.bytes.subarray(0, 4095)
        fillPattern(outgoing, 3)
        const out = region.mapSingle(0, 4095, ToDevice)
        await transfer(registers, 'to-device', region.addressOf(out), 4095)
        region.unmapSingle(out)
        const back = region.mapSingle(4096, 4095, FromDevice)
        await transfer(registers, 'from-device', region.addressOf(back), 4095)
        region.unmapSingle(back)
        assert.deepEqual(region.bytes.subarray(4096, 8191), outgoing)
        assert.equal(region.bytes[8191], 0)
      }))

    it('moves bytes of memory that is not registered, from any offset, across pages', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocateDmaMemory({ byteLength: 16384, kernel })
        const outgoing = memory.bytes.subarray(4000, 4000 + 333)
        const incoming = memory.bytes.subarray(12288 - 7, 12288 - 7 + 333)
        fillPattern(outgoing, 9)
        const out = dmaMapSingle(device, outgoing, ToDevice)
        await transfer(registers, 'to-device', out.dmaAddress, 333)
        dmaUnmapSingle(device, out)
        const back = dmaMapSingle(device, incoming, FromDevice)
        await transfer(registers, 'from-device', back.dmaAddress, 333)
        dmaUnmapSingle(device, back)
        assert.deepEqual(incoming, outgoing)
        assert.equal(memory.bytes[12288 - 8], 0)
        assert.equal(memory.bytes[12288 - 7 + 333], 0)
      }))

    it('shares coherent memory without handing it over', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using source = dmaAllocCoherent(device, 100)
        const target = dmaAllocCoherent(device, 100)
        assert.ok(target.bytes.every((byte) => byte === 0))
        for (let round = 1; round <= 3; round++) {
          fillPattern(source.bytes, round)
          await transfer(registers, 'to-device', source.dmaAddress, 100)
          await transfer(registers, 'from-device', target.dmaAddress, 100)
          assert.deepEqual(target.bytes, source.bytes)
        }
        dmaFreeCoherent(device, target)
      }))

    it('lends a mapped buffer to the CPU and back', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using region = createDmaRegion(device, { byteLength: 8192 })
        using out = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
        using back = dmaMapSingle(device, region.bytes.subarray(4096, 4160), FromDevice)
        for (let round = 0; round < 3; round++) {
          out.withCpu((bytes) => bytes.fill(round + 1))
          dmaSyncSingleForDevice(device, back)
          await transfer(registers, 'to-device', out.dmaAddress, 64)
          await transfer(registers, 'from-device', back.dmaAddress, 64)
          assert.ok(dmaSyncSingleForCpu(device, back).every((byte) => byte === round + 1))
        }
      }))

    it('moves nothing through an address that is no longer mapped', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using keeper = dmaAllocCoherent(device, 4096)
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        keeper.bytes.fill(0x77)
        const kept = keeper.dmaAddress
        await transfer(registers, 'to-device', kept, 256)
        const mapping = dmaMapSingle(device, memory.bytes.subarray(0, 256), DmaDirection.Bidirectional)
        const stale = mapping.dmaAddress
        mapping.unmap()
        await transfer(registers, 'from-device', stale, 256)
        assert.ok(
          memory.bytes.every((byte) => byte === 0),
          'the device wrote into memory that was taken back',
        )
        // A read through the stale address brings zeros, never what is in the memory now.
        memory.bytes.fill(0x55)
        await transfer(registers, 'to-device', stale, 256)
        await transfer(registers, 'from-device', kept, 256)
        assert.ok(keeper.bytes.subarray(0, 256).every((byte) => byte === 0))
      }))

    it('does not let a device write what is mapped for it to read', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        memory.bytes.fill(0x11)
        {
          using mapping = dmaMapSingle(device, memory.bytes, ToDevice)
          await transfer(registers, 'to-device', mapping.dmaAddress, 512)
          memory.bytes.fill(0x22)
          await transfer(registers, 'from-device', mapping.dmaAddress, 512)
        }
        assert.ok(memory.bytes.every((byte) => byte === 0x22))
      }))

    it('moves nothing while bus mastering is off, and the device does not notice', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = dmaAllocCoherent(device, 4096)
        const address = memory.dmaAddress
        memory.bytes.fill(0x33)
        await transfer(registers, 'to-device', address, 64)
        memory.bytes.fill(0)
        device.clearMaster()
        await transfer(registers, 'from-device', address, 64)
        assert.ok(memory.bytes.every((byte) => byte === 0))
        device.setMaster()
        await transfer(registers, 'from-device', address, 64)
        assert.ok(memory.bytes.subarray(0, 64).every((byte) => byte === 0x33))
      }))

    it('shows why the mask matters: the device cuts off what lies above it', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = dmaAllocCoherent(device, 4096)
        assert.ok(toNumber(memory.dmaAddress) + 4096 <= 2 ** 28)
        memory.bytes.fill(0x44, 0, 16)
        // 2^28 higher is the same address to 28 address lines, so the device reads the memory all the same.
        const alias = addToDmaAddress(memory.dmaAddress, 2 ** 28)
        await transfer(registers, 'to-device', alias, 16)
        await transfer(registers, 'from-device', addToDmaAddress(memory.dmaAddress, 100), 16)
        assert.ok(memory.bytes.subarray(100, 116).every((byte) => byte === 0x44))
      }))

    it('gives the device up with everything on it, in order, whatever was left open', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        const region = createDmaRegion(device, { byteLength: 8192 })
        const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
        const coherent = dmaAllocCoherent(device, 64)
        const view = region.bytes
        view.fill(0x66)
        registers.writeAddress(0x80, mapping.dmaAddress)
        device.close()
        device.close()
        assert.equal(mapping.mapped, false)
        assert.equal(coherent.freed, true)
        assert.equal(region.closed, true)
        assert.equal(view[0], 0, 'a late read must give zeros')
        view[0] = 1
      }))
  })
}
