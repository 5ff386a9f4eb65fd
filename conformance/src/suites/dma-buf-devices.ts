import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaUnmapSingle,
  getDmaOps,
  setDmaOps,
} from '@linux-dma/core'
import {
  allocateFromHeap,
  createUdmabuf,
  dmaBufGet,
  exportDmaBuf,
  importDmaBuf,
  receiveDmaBuf,
  sendDmaBuf,
} from '@linux-dma/udmabuf'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection

/** One allocation for devices, for this process and for whoever imports it: the same pages at many addresses. */
export function dmaBufDevices({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  /** Runs a test with both edu devices, ready for DMA. */
  const withBoth = (test: (first: VfioDevice, second: VfioDevice) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using first = openVfioDevice(host.edu, { kernel })
      using second = openVfioDevice(host.wideEdu, { kernel })
      dmaSetMaskAndCoherent(first, dmaBitMask(28))
      dmaSetMaskAndCoherent(second, dmaBitMask(40))
      for (const device of [first, second]) device.setMaster()
      await test(first, second)
    })
  /** Has the device read bytes from one address and write them to the other. */
  const copy = async (
    device: VfioDevice,
    from: Parameters<typeof transfer>[2],
    to: Parameters<typeof transfer>[2],
    byteLength: number,
  ) => {
    await transfer(device.bar(0), 'to-device', from, byteLength)
    await transfer(device.bar(0), 'from-device', to, byteLength)
  }
  /** The same between two places of one memory. */
  const copyWithin = async (
    device: VfioDevice,
    bytes: Uint8Array,
    from: number,
    to: number,
    length: number,
  ) => {
    using source = dmaMapSingle(device, bytes.subarray(from, from + length), ToDevice)
    using target = dmaMapSingle(device, bytes.subarray(to, to + length), FromDevice)
    await copy(device, source.dmaAddress, target.dmaAddress, length)
  }

  describe('dma-buf devices', () => {
    it('has one memory for two devices, a mapping, a view and an importer', () =>
      withBoth(async (first, second) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        for (const device of [first, second]) createDmaRegion(device, { memory })
        using buffer = createUdmabuf({ memory })
        using mapping = buffer.map()
        const importer = host.importDmaBuf(buffer.fd)
        const at = (device: VfioDevice, offset: number) =>
          [...memory.regions].find((region) => region.device === device)!.addressAt(offset, page)
        assert.equal(memory.dmaAddressFor(first), at(first, 0))
        assert.equal(memory.dmaAddressFor(second), at(second, 0))
        fillPattern(mapping.bytes.subarray(0, 1000), 3)
        const sent = mapping.bytes.slice(0, 1000)
        await copyWithin(first, memory.bytes, 0, page, 1000)
        await copyWithin(second, memory.bytes, page, 3 * page, 1000)
        assert.deepEqual(memory.bytes.slice(3 * page, 3 * page + 1000), sent)
        assert.deepEqual(
          buffer.cpuAccess('read', (bytes) => bytes.slice(3 * page, 3 * page + 1000)),
          sent,
        )
        assert.deepEqual(importer.read(3 * page, 1000), sent)
        importer.write(2 * page, sent.slice().reverse())
        await copyWithin(second, memory.bytes, 2 * page, 0, 1000)
        assert.deepEqual(mapping.bytes.slice(0, 1000), sent.slice().reverse())
        importer.detach()
      }))

    it('gives a device the view of a buffer’s mapping as what it is: the memory', () =>
      withBoth(async (first) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using buffer = createUdmabuf({ memory, offset: page, size: 2 * page })
        using target = dmaAllocCoherent(first, 100)
        const checkView = async (view: Uint8Array, memoryOffset: number) => {
          fillPattern(view, memoryOffset)
          const sent = memory.bytes.slice(memoryOffset, memoryOffset + view.length)
          assert.deepEqual(view.slice(), sent)
          using mapped = dmaMapSingle(first, view, ToDevice)
          await copy(first, mapped.dmaAddress, target.dmaAddress, view.length)
          assert.deepEqual(target.bytes.slice(0, view.length), sent)
        }
        using whole = buffer.map()
        using part = buffer.map({ offset: page })
        await checkView(whole.bytes.subarray(10, 110), page + 10)
        await checkView(part.bytes.subarray(page - 100), 3 * page - 100)
        using copied = buffer.duplicate()
        using third = copied.map()
        await checkView(third.bytes.subarray(0, 64), page)
        // Mapped once, the memory is a device's for any part of it.
        using region = createDmaRegion(first, { memory })
        using mapped = dmaMapSingle(first, whole.bytes.subarray(0, 50), FromDevice)
        assert.equal(mapped.dmaAddress, region.addressAt(page, 50))
      }))

    it('gives a device the view of a buffer that came back by its descriptor as the memory, too', () =>
      withBoth(async (first) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using buffer = createUdmabuf({ memory, offset: page, size: 2 * page })
        using target = dmaAllocCoherent(first, 100)
        const [ours, theirs] = kernel.socketPair()
        await sendDmaBuf(ours, buffer)
        const received = (await receiveDmaBuf(theirs, { kernel }))!.buffers
        for (const socket of [ours, theirs]) kernel.close(socket)
        const back = [
          dmaBufGet(buffer.fd, { kernel }),
          importDmaBuf(exportDmaBuf(buffer), { kernel }),
          ...received,
        ]
        // Only these are left of it.
        buffer.close()
        for (const [index, one] of back.entries()) {
          const mapping = one.map({ offset: page })
          const view = mapping.bytes.subarray(index, index + 100)
          fillPattern(view, index)
          const sent = view.slice()
          using mapped = dmaMapSingle(first, view, ToDevice)
          await copy(first, mapped.dmaAddress, target.dmaAddress, 100)
          assert.deepEqual(target.bytes.slice(0, 100), sent)
          assert.deepEqual(memory.bytes.slice(2 * page + index, 2 * page + index + 100), sent)
          one.close()
        }
      }))

    it('makes a buffer of a view of a mapping, which is of the memory again', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using buffer = createUdmabuf({ memory, offset: page, size: 3 * page })
        using mapping = buffer.map()
        using again = createUdmabuf({ memory: mapping.bytes.subarray(page) })
        assert.deepEqual([again.memory, again.memoryOffset, again.size], [memory, 2 * page, 2 * page])
      }))

    it('refuses to give a device what it cannot have, with what to do', () =>
      withBoth((first) => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        const piece = { memory, size: page }
        const buffers = [
          createUdmabuf({ size: page, kernel }),
          createUdmabuf({ list: [piece, piece] }),
          allocateFromHeap('system', page, { kernel }),
        ]
        buffers.push(dmaBufGet(buffers[0]!.fd, { kernel }))
        for (const buffer of buffers) {
          using mapping = buffer.map()
          const error = refusal(
            () => dmaMapSingle(first, mapping.bytes, ToDevice),
            'DMA_NOT_DMA_MEMORY',
            /createUdmabuf\(\{ memory: allocateDmaMemory/,
          )
          assert.match(error.message, /a dma-buf of \d+ bytes/)
          refusal(() => createUdmabuf({ memory: mapping.bytes, kernel }), 'DMA_NOT_DMA_MEMORY')
          buffer.close()
        }
      }))

    it('copies those for a device whose path copies', () =>
      withBoth(async (first) => {
        setDmaOps(first, bounceOps(getDmaOps(first)))
        using buffer = allocateFromHeap('system', page, { kernel })
        using mapping = buffer.map()
        fillPattern(mapping.bytes, 8)
        const source = dmaMapSingle(first, mapping.bytes.subarray(0, 500), ToDevice)
        const target = dmaMapSingle(first, mapping.bytes.subarray(1000, 1500), FromDevice)
        await copy(first, source.dmaAddress, target.dmaAddress, 500)
        dmaUnmapSingle(first, source)
        dmaUnmapSingle(first, target)
        assert.deepEqual(mapping.bytes.slice(1000, 1500), mapping.bytes.slice(0, 500))
      }))

    it('refuses a view that is late', () =>
      withBoth((first) => {
        const memory = allocateDmaMemory({ byteLength: page, kernel })
        using buffer = createUdmabuf({ memory })
        using mapping = buffer.map()
        memory.close()
        refusal(() => dmaMapSingle(first, mapping.bytes, ToDevice), 'DMA_CLOSED')
        refusal(() => createUdmabuf({ memory }), 'DMA_CLOSED', /allocateDmaMemory/)
        refusal(() => createUdmabuf({ memory: mapping.bytes }), 'DMA_CLOSED')
        assert.equal(mapping.bytes[0], 0)
      }))

    it('keeps the memory of a device for others when the device is gone', () =>
      withBoth(async (first, second) => {
        const coherent = dmaAllocCoherent(first, page)
        using buffer = createUdmabuf({ memory: coherent.memory })
        fillPattern(coherent.bytes, 6)
        const sent = coherent.bytes.slice(0, 100)
        using region = createDmaRegion(second, { memory: coherent.memory })
        await copy(second, region.addressAt(0, 100), region.addressAt(200, 100), 100)
        first.close()
        const seen = buffer.cpuAccess('read', (bytes) => bytes.slice(200, 300))
        assert.deepEqual(seen, sent)
      }))

    it('shows memory that was allocated for a device alone', () =>
      withBoth(async (first) => {
        using coherent = dmaAllocCoherent(first, page, DmaAttribute.NoKernelMapping)
        using buffer = createUdmabuf({ memory: coherent.memory })
        buffer.cpuAccess('write', (bytes) => fillPattern(bytes.subarray(0, 100), 1))
        using target = dmaAllocCoherent(first, 100)
        await copy(first, coherent.dmaAddress, target.dmaAddress, 100)
        assert.deepEqual(
          target.bytes.slice(0, 100),
          buffer.cpuAccess('read', (bytes) => bytes.slice(0, 100)),
        )
        using mapping = buffer.map()
        refusal(() => dmaMapSingle(first, mapping.bytes, ToDevice), 'DMA_NO_KERNEL_MAPPING')
      }))

    it('keeps sealed memory fit for devices', () =>
      withBoth(async (first) => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        using buffer = createUdmabuf({ memory })
        using _region = createDmaRegion(first, { memory })
        fillPattern(memory.bytes, 2)
        await copyWithin(first, memory.bytes, 0, 500, 100)
        assert.deepEqual(
          buffer.cpuAccess('read', (bytes) => bytes.slice(500, 600)),
          memory.bytes.slice(0, 100),
        )
      }))
  })
}
