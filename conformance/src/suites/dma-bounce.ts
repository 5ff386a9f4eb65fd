import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  type BounceOptions,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaGetMergeBoundary,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaNeedSync,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  dmaSetMinAlignMask,
  dmaSetSegBoundary,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapSingle,
  getDmaOps,
  type IoRegion,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const SEGMENT = 256 * 1024
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

type Resizable = ArrayBuffer & { resize(byteLength: number): void }

/** 64 bytes that can grow to 128: the compiler's library does not know of such yet. */
function resizable(): Resizable {
  const make = ArrayBuffer as unknown as new (byteLength: number, options: object) => Resizable
  return new make(64, { maxByteLength: 128 })
}

/** Has the device bounce. @returns its registers */
function bouncing(device: VfioDevice, options?: BounceOptions): IoRegion {
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  setDmaOps(device, bounceOps(getDmaOps(device), options))
  device.setMaster()
  return device.bar(0)
}

/** Leaves a pattern in the device's buffer. @returns the pattern */
async function fillDevice(device: VfioDevice, registers: IoRegion, seed: number): Promise<Uint8Array> {
  using source = dmaAllocCoherent(device, 4095)
  fillPattern(source.bytes, seed)
  await transfer(registers, 'to-device', source.dmaAddress, 4095)
  return source.bytes.slice()
}

/** What the device reads at an address. */
async function seenByDevice(
  device: VfioDevice,
  registers: IoRegion,
  address: Parameters<typeof transfer>[2],
  byteLength: number,
): Promise<Uint8Array> {
  await transfer(registers, 'to-device', address, byteLength)
  using target = dmaAllocCoherent(device, byteLength)
  await transfer(registers, 'from-device', target.dmaAddress, byteLength)
  return target.bytes.slice()
}

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
        assert.equal(dmaNeedSync(device, whole.dmaAddress), false)
      }))

    it('leaves what is in place where it is', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        using region = createDmaRegion(device, { byteLength: page })
        using coherent = dmaAllocCoherent(device, 100)
        const handle = region.mapSingle(5, 100, ToDevice)
        assert.equal(toNumber(region.addressOf(handle)), toNumber(region.dmaAddress) + 5)
        region.bytes.fill(9)
        const seen = await seenByDevice(device, registers, region.addressOf(handle), 100)
        assert.deepEqual(seen, new Uint8Array(100).fill(9))
        region.unmapSingle(handle)
        assert.equal(bouncePoolOf(device), undefined)
        assert.equal(dmaMaxMappingSize(device), 2 ** 32 - 1)
        using heap = dmaMapSingle(device, new Uint8Array(1), Bidirectional)
        assert.equal(dmaNeedSync(device, heap.dmaAddress), true)
        assert.equal(dmaNeedSync(device, coherent.dmaAddress), false)
        const all = DmaAttribute.RequireCoherent
        refusal(() => dmaMapSingle(device, new Uint8Array(1), ToDevice, all), 'DMA_NOT_COHERENT')
        assert.equal(bouncePoolOf(device)?.usedSlots, 1)
      }))

    it('never bounces coherent memory, and refuses RequireCoherent where it would bounce', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        using coherent = dmaAllocCoherent(device, 64)
        coherent.bytes.fill(0x42)
        const seen = await seenByDevice(device, registers, coherent.dmaAddress, 64)
        assert.deepEqual(seen, new Uint8Array(64).fill(0x42))
        assert.equal(dmaNeedSync(device, coherent.dmaAddress), false)
        using region = createDmaRegion(device, { byteLength: page })
        refusal(() => region.mapSingle(0, 64, ToDevice, DmaAttribute.RequireCoherent), 'DMA_NOT_COHERENT')
        assert.equal(region.liveMappings, 0)
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('gives slots to handles of a region, and takes them back when it closes', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true, byteLength: 1 })
        const pattern = await fillDevice(device, registers, 15)
        using region = createDmaRegion(device, { byteLength: 16 * page })
        const handles = [0, 1, 2, 3].map((i) => region.mapSingle(i * 3000, 3000, Bidirectional))
        const addresses = handles.map((handle) => toNumber(region.addressOf(handle)))
        assert.equal(new Set(addresses).size, 4)
        assert.equal(bouncePoolOf(device)?.usedSlots, 8)
        await transfer(registers, 'from-device', region.addressOf(handles[2]!), 3000)
        assert.equal(region.bytes[6000], 0)
        region.syncForCpu(handles[2]!)
        assert.deepEqual(region.bytes.subarray(6000, 9000), pattern.subarray(0, 3000))
        region.bytes.fill(1, 6000, 9000)
        region.syncForDevice(handles[2]!)
        const seen = await seenByDevice(device, registers, region.addressOf(handles[2]!), 3000)
        assert.deepEqual(seen, new Uint8Array(3000).fill(1))
        region.unmapSingle(handles[2]!)
        refusal(() => region.unmapSingle(handles[2]!), 'DMA_NOT_MAPPED')
        assert.equal(bouncePoolOf(device)?.usedSlots, 6)
        region.close()
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('says that it is full, and by how much, with nothing lost', () =>
      withDevice(host, (device) => {
        bouncing(device, { force: true, byteLength: SEGMENT })
        const map = (byteLength: number) => dmaMapSingle(device, new Uint8Array(byteLength), Bidirectional)
        const mappings = Array.from({ length: 32 }, () => map(8192))
        const { message } = refusal(() => map(5000), 'DMA_BOUNCE_FULL', /byteLength/)
        assert.match(message, /5000 bytes.*128 slots.*128 used/)
        using region = createDmaRegion(device, { byteLength: page })
        refusal(() => region.mapSingle(0, 1, ToDevice), 'DMA_BOUNCE_FULL')
        assert.equal(region.liveMappings, 0)
        mappings.pop()!.unmap()
        mappings.push(map(8192))
        for (const mapping of mappings) mapping.unmap()
        assert.deepEqual([bouncePoolOf(device)?.usedSlots, bouncePoolOf(device)?.mostUsedSlots], [0, 128])
        map(SEGMENT).unmap()
      }))

    it('says how long a mapping may be', () =>
      withDevice(host, (device) => {
        bouncing(device, { force: true })
        assert.equal(dmaMaxMappingSize(device), SEGMENT)
        const map = (byteLength: number) => dmaMapSingle(device, new Uint8Array(byteLength), ToDevice)
        map(SEGMENT).unmap()
        refusal(() => map(SEGMENT + 1), 'DMA_BOUNCE_TOO_LONG', /dmaMaxMappingSize|scatterlist/)
        dmaSetMinAlignMask(device, 0xfff)
        assert.equal(dmaMaxMappingSize(device), SEGMENT - 4096)
        map(SEGMENT - 4096).unmap()
        refusal(() => map(SEGMENT - 4095), 'DMA_BOUNCE_TOO_LONG')
        dmaSetSegBoundary(device, 0xffffn)
        map(0x1_0000).unmap()
        refusal(() => map(0x1_0001), 'DMA_BOUNCE_TOO_LONG')
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('keeps the low bits of the address that the device looks at', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        dmaSetMinAlignMask(device, 0xfff)
        const pattern = await fillDevice(device, registers, 16)
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        for (const offset of [0, 1, 511, 2047, 2048, 2049, 4095, 5000]) {
          const bytes = memory.bytes.subarray(offset, offset + 4000)
          bytes.fill(0)
          const mapping = dmaMapSingle(device, bytes, Bidirectional)
          assert.equal(toNumber(mapping.dmaAddress) & 0xfff, offset & 0xfff)
          await transfer(registers, 'from-device', mapping.dmaAddress, 4000)
          mapping.unmap()
          assert.deepEqual(bytes, pattern.subarray(0, 4000))
        }
      }))

    it('bounces what would cross the device’s segment boundary', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        dmaSetSegBoundary(device, 0xfffn)
        using region = createDmaRegion(device, { byteLength: 4 * page })
        fillPattern(region.bytes, 17)
        using inside = dmaMapSingle(device, region.bytes.subarray(0, 4096), ToDevice)
        assert.equal(toNumber(inside.dmaAddress), toNumber(region.dmaAddress))
        const across = region.bytes.subarray(3000, 5000)
        using mapping = dmaMapSingle(device, across, ToDevice)
        const first = toNumber(mapping.dmaAddress)
        assert.ok(
          first + 4096 <= toNumber(region.dmaAddress) || first >= toNumber(region.dmaAddress) + 4 * page,
        )
        assert.equal(Math.floor(first / 4096), Math.floor((first + 1999) / 4096))
        assert.deepEqual(await seenByDevice(device, registers, mapping.dmaAddress, 2000), across)
        refusal(() => dmaMapSingle(device, region.bytes.subarray(1, 4098), ToDevice), 'DMA_BOUNCE_TOO_LONG')
        assert.equal(region.liveMappings, 2)
      }))

    it('closes with live mappings, and refuses every use after', () =>
      withoutLeaks(host, () => {
        const device = openVfioDevice(host.edu, { kernel })
        bouncing(device, { force: true })
        const region = createDmaRegion(device, { byteLength: page })
        const handle = region.mapSingle(0, 100, Bidirectional)
        const mappings = [new Uint8Array(100), region.bytes].map((it) => dmaMapSingle(device, it, FromDevice))
        device.close()
        for (const mapping of mappings) {
          assert.equal(mapping.mapped, false)
          refusal(() => mapping.dmaAddress, 'DMA_NOT_MAPPED')
          refusal(() => mapping.syncForCpu(), 'DMA_NOT_MAPPED')
          refusal(() => mapping.unmap(), 'DMA_NOT_MAPPED')
          mapping[Symbol.dispose]()
        }
        refusal(() => region.unmapSingle(handle), 'DMA_NOT_MAPPED')
        refusal(() => dmaMapSingle(device, new Uint8Array(1), ToDevice), 'DMA_CLOSED')
      }))

    it('refuses a second unmap, and every use after the first', () =>
      withDevice(host, (device) => {
        bouncing(device)
        const mapping = dmaMapSingle(device, new Uint8Array(10), FromDevice)
        refusal(() => mapping.bytes, 'DMA_DEVICE_OWNS')
        dmaUnmapSingle(device, mapping)
        refusal(() => dmaUnmapSingle(device, mapping), 'DMA_NOT_MAPPED')
        refusal(() => mapping.dmaAddress, 'DMA_NOT_MAPPED')
        refusal(() => dmaSyncSingleForCpu(device, mapping), 'DMA_NOT_MAPPED')
        refusal(() => dmaSyncSingleForDevice(device, mapping), 'DMA_NOT_MAPPED')
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('hands out no address while bus mastering is off, and takes mappings back all the same', () =>
      withDevice(host, (device) => {
        bouncing(device)
        const bytes = new Uint8Array(10).fill(3)
        const mapping = dmaMapSingle(device, bytes, FromDevice)
        device.clearMaster()
        refusal(() => mapping.dmaAddress, 'DMA_BUS_MASTER_OFF')
        refusal(() => dmaMapSingle(device, bytes, FromDevice), 'DMA_BUS_MASTER_OFF')
        assert.deepEqual(dmaSyncSingleForCpu(device, mapping), bytes)
        mapping.unmap()
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('gives the slots back where the buffer is gone, and says so', () =>
      withDevice(host, (device) => {
        bouncing(device)
        const detached = new Uint8Array(64)
        const shrunk = resizable()
        const mappings = [detached, new Uint8Array(shrunk), new Uint8Array(shrunk, 16, 48)].map((bytes) =>
          dmaMapSingle(device, bytes, Bidirectional),
        )
        structuredClone(detached.buffer, { transfer: [detached.buffer] })
        shrunk.resize(32)
        for (const mapping of mappings) {
          refusal(() => dmaSyncSingleForCpu(device, mapping), 'DMA_DETACHED')
          refusal(() => dmaSyncSingleForDevice(device, mapping), 'DMA_DETACHED')
          assert.equal(mapping.owner, 'device')
          refusal(() => dmaUnmapSingle(device, mapping), 'DMA_DETACHED')
          refusal(() => dmaUnmapSingle(device, mapping), 'DMA_NOT_MAPPED')
        }
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
        refusal(() => dmaMapSingle(device, detached, ToDevice), 'DMA_DETACHED')
        // A buffer that grows is whole; one that only goes to the device has arrived there.
        const grown = resizable()
        const growing = dmaMapSingle(device, new Uint8Array(grown, 0, 64), Bidirectional)
        grown.resize(128)
        growing.unmap()
        const sent = new Uint8Array(8)
        const sending = dmaMapSingle(device, sent, ToDevice)
        structuredClone(sent.buffer, { transfer: [sent.buffer] })
        refusal(() => sending.syncForCpu(), 'DMA_DETACHED')
        refusal(() => sending.syncForDevice(), 'DMA_DETACHED')
        assert.equal(sending.owner, 'device')
        sending.unmap()
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('ends a mapping with the memory that its bytes are of', () =>
      withDevice(host, (device) => {
        bouncing(device, { force: true })
        const memory = allocateDmaMemory({ byteLength: page, kernel })
        const mapping = dmaMapSingle(device, memory.bytes, FromDevice)
        memory.close()
        assert.equal(mapping.mapped, false)
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
        refusal(() => mapping.unmap(), 'DMA_NOT_MAPPED')
      }))

    it('has the pool below the mask, keeps masks in place while it is there, and the path while it is used', () =>
      withDevice(host, (device) => {
        bouncing(device)
        dmaSetMask(device, dmaBitMask(24))
        using mapping = dmaMapSingle(device, new Uint8Array(2048), ToDevice)
        assert.ok(toNumber(mapping.dmaAddress) + 2048 <= 2 ** 24)
        refusal(() => setDmaOps(device, getDmaOps(device)), 'DMA_IN_USE')
        mapping.unmap()
        refusal(() => dmaSetMask(device, dmaBitMask(14)), 'DMA_MASK_IN_USE')
        const pinned = kernel.live().mappings
        setDmaOps(device, getDmaOps(device))
        assert.equal(kernel.live().mappings, pinned - 1, 'slots that nothing uses go with their path')
        assert.equal(bouncePoolOf(device), undefined)
        using again = dmaMapSingle(device, new Uint8Array(2048), ToDevice)
        assert.equal(again.mapped, true)
      }))

    it('never bounces what was allocated for the device, whatever its length', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true, byteLength: 1 })
        dmaSetSegBoundary(device, dmaBitMask(16))
        using buffer = dmaAllocNoncoherent(device, 1 << 20, Bidirectional)
        fillPattern(buffer.syncForCpu(0, 4095), 5)
        const sent = buffer.bytes.slice()
        buffer.syncForDevice()
        assert.deepEqual(await seenByDevice(device, registers, buffer.dmaAddress, 4095), sent)
        assert.equal(bouncePoolOf(device)?.usedSlots ?? 0, 0)
        assert.equal(dmaNeedSync(device, buffer.dmaAddress), false)
        assert.equal(dmaGetMergeBoundary(device), 0, 'segments that are bounced are not joined')
      }))

    it('leaves nothing behind where its memory cannot be mapped', () =>
      withoutLeaks(host, () => {
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '1')
        try {
          using device = openVfioDevice(host.edu, { kernel })
          bouncing(device)
          const region = createDmaRegion(device, { byteLength: page })
          const live = kernel.live()
          refusal(() => dmaMapSingle(device, new Uint8Array(1), ToDevice), 'ENOSPC')
          assert.deepEqual(kernel.live(), live)
          assert.equal(bouncePoolOf(device), undefined)
          region.close()
          dmaMapSingle(device, new Uint8Array(1), ToDevice).unmap()
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))
  })
}
