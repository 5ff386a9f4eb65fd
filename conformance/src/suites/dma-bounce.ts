import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bouncePoolOf,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaNeedSync,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapSingle,
  getDmaOps,
  toNumber,
} from '@linux-dma/core'
import { bouncing, fillDevice, seenByDevice } from '../bouncing'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** Slots that stand in for buffers: what a device reads and writes there, and when the CPU sees it. */
export function dmaBounce({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  describe('dma bounce', () => {
    it('brings any buffer to the device, and back', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        for (const make of [
          () => new Uint8Array(3001),
          () => new Uint8Array(4000).subarray(7, 3008),
          () => Buffer.alloc(3001),
          () => new Uint8Array(new SharedArrayBuffer(3001)),
          () => new Uint16Array(1500),
          () => new DataView(new ArrayBuffer(3100), 33, 3001),
        ]) {
          const [out, back] = [make(), make()]
          const sent = new Uint8Array(out.buffer, out.byteOffset, out.byteLength)
          const received = new Uint8Array(back.buffer, back.byteOffset, back.byteLength)
          fillPattern(sent, 5)
          const there = dmaMapSingle(device, out, ToDevice)
          await transfer(registers, 'to-device', there.dmaAddress, out.byteLength)
          dmaUnmapSingle(device, there)
          const here = dmaMapSingle(device, back, FromDevice)
          await transfer(registers, 'from-device', here.dmaAddress, out.byteLength)
          assert.ok(received.every((byte) => byte === 0))
          dmaUnmapSingle(device, here)
          assert.deepEqual([...received], [...sent])
        }
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
        assert.equal(bouncePoolOf(device)?.mostUsedSlots, 2)
      }))

    it('shows what the device wrote after a sync for the CPU, or the unmap, and not before', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        const pattern = await fillDevice(device, registers, 11)
        using region = createDmaRegion(device, { byteLength: 8192 })
        using memory = allocateDmaMemory({ byteLength: 8192, kernel })
        for (const home of [region.bytes, memory.bytes]) {
          const bytes = home.subarray(1000, 3000)
          bytes.fill(0xee)
          const mapping = dmaMapSingle(device, bytes, FromDevice)
          await transfer(registers, 'from-device', mapping.dmaAddress, 2000)
          assert.ok(bytes.every((byte) => byte === 0xee))
          assert.deepEqual(dmaSyncSingleForCpu(device, mapping), pattern.subarray(0, 2000))
          dmaSyncSingleForDevice(device, mapping)
          await transfer(registers, 'from-device', mapping.dmaAddress, 2)
          bytes.fill(0xee)
          dmaUnmapSingle(device, mapping)
          assert.deepEqual(bytes, pattern.subarray(0, 2000))
          assert.equal(home[999], 0)
          assert.equal(home[3000], 0)
        }
      }))

    it('keeps the bytes that the device did not write', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        const pattern = await fillDevice(device, registers, 12)
        for (const attributes of [0, DmaAttribute.SkipCpuSync]) {
          const bytes = new Uint8Array(100).fill(0x77)
          const mapping = dmaMapSingle(device, bytes, FromDevice, attributes)
          await transfer(registers, 'from-device', mapping.dmaAddress, 10)
          dmaUnmapSingle(device, mapping)
          assert.deepEqual(bytes.subarray(0, 10), pattern.subarray(0, 10))
          assert.ok(bytes.subarray(10).every((byte) => byte === 0x77))
        }
      }))

    it('shows the device what the CPU wrote after a sync for the device, and not before', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        for (const [direction, reaches] of [
          [ToDevice, true],
          [Bidirectional, true],
          [FromDevice, false],
        ] as const) {
          const bytes = new Uint8Array(64).fill(1)
          using mapping = dmaMapSingle(device, bytes, direction)
          bytes.fill(2)
          const seen = () => seenByDevice(device, registers, mapping.dmaAddress, 64)
          assert.deepEqual(await seen(), new Uint8Array(64).fill(1))
          dmaSyncSingleRangeForDevice(device, mapping, 16, 8)
          const expected = new Uint8Array(64).fill(1)
          if (reaches) expected.fill(2, 16, 24)
          assert.deepEqual(await seen(), expected)
          dmaSyncSingleForDevice(device, mapping)
          assert.deepEqual(await seen(), new Uint8Array(64).fill(reaches ? 2 : 1))
        }
      }))

    it('copies a range of what the device wrote, and no more', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        const pattern = await fillDevice(device, registers, 13)
        const bytes = new Uint8Array(500)
        using mapping = dmaMapSingle(device, bytes, Bidirectional)
        await transfer(registers, 'from-device', mapping.dmaAddress, 500)
        const range = dmaSyncSingleRangeForCpu(device, mapping, 100, 50)
        assert.deepEqual(range, pattern.subarray(100, 150))
        const expected = new Uint8Array(500)
        expected.set(range, 100)
        assert.deepEqual(bytes, expected)
        const next = dmaSyncSingleRangeForCpu(device, mapping, 300, 50)
        assert.deepEqual(next, pattern.subarray(300, 350))
        expected.set(next, 300)
        assert.deepEqual(bytes, expected)
        refusal(() => dmaSyncSingleRangeForCpu(device, mapping, 451, 50), 'DMA_RANGE')
        refusal(() => dmaSyncSingleRangeForDevice(device, mapping, 500, 1), 'DMA_RANGE')
      }))

    it('brings nothing back from a mapping to the device, or with SkipCpuSync', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        await fillDevice(device, registers, 14)
        for (const [direction, attributes] of [
          [ToDevice, 0],
          [FromDevice, DmaAttribute.SkipCpuSync],
          [Bidirectional, DmaAttribute.SkipCpuSync],
        ] as const) {
          const bytes = new Uint8Array(128).fill(0x33)
          const mapping = dmaMapSingle(device, bytes, direction)
          await transfer(registers, 'from-device', mapping.dmaAddress, 128)
          if (direction === ToDevice) dmaSyncSingleForCpu(device, mapping)
          dmaUnmapSingle(device, mapping, attributes)
          assert.ok(bytes.every((byte) => byte === 0x33))
        }
      }))

    it('shows a device that is not trusted nothing beside the buffer', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { untrusted: true })
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        memory.bytes.fill(0x5e)
        const bytes = memory.bytes.subarray(1024, 1124).fill(1)
        const mapping = dmaMapSingle(device, bytes, ToDevice)
        const around = await seenByDevice(device, registers, mapping.dmaAddress, 1000)
        assert.deepEqual(around.subarray(0, 100), bytes)
        assert.ok(!around.includes(0x5e))
        mapping.unmap()
        // Whole pages have no neighbours, and a region is the device's to look at.
        using whole = dmaMapSingle(device, memory.bytes, ToDevice)
        using region = createDmaRegion(device, { byteLength: page })
        using part = dmaMapSingle(device, region.bytes.subarray(10, 20), ToDevice)
        assert.equal(toNumber(part.dmaAddress), toNumber(region.dmaAddress) + 10)
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
        assert.equal(dmaNeedSync(device, whole.dmaAddress), !getDmaOps(device).coherent)
      }))

    it('leaves what is in place where it is', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        using region = createDmaRegion(device, { byteLength: page })
        using coherent = dmaAllocCoherent(device, 100)
        region.bytes.fill(9)
        const handle = region.mapSingle(5, 100, ToDevice)
        assert.equal(toNumber(region.addressOf(handle)), toNumber(region.dmaAddress) + 5)
        const seen = await seenByDevice(device, registers, region.addressOf(handle), 100)
        assert.deepEqual(seen, new Uint8Array(100).fill(9))
        region.unmapSingle(handle)
        assert.equal(bouncePoolOf(device), undefined)
        assert.equal(dmaMaxMappingSize(device), 2 ** 32 - 1)
        using heap = dmaMapSingle(device, new Uint8Array(1), Bidirectional)
        assert.equal(dmaNeedSync(device, heap.dmaAddress), true)
        assert.equal(dmaNeedSync(device, coherent.dmaAddress), !getDmaOps(device).coherent)
        const all = DmaAttribute.RequireCoherent
        refusal(() => dmaMapSingle(device, new Uint8Array(1), ToDevice, all), 'DMA_NOT_COHERENT')
        assert.equal(bouncePoolOf(device)?.usedSlots, 1)
      }))
  })
}
