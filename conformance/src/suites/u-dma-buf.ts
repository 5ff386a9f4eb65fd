import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  type DmaOps,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaSetMaskAndCoherent,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, SgTable } from '@linux-dma/sg'
import { dmaBufGet, listUDmaBufs, openUDmaBuf, type UDmaBuf, uDmaBufOps } from '@linux-dma/udmabuf'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { withUioBound } from '../with-uio'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const MiB = 0x10_0000
const NAME = 'udmabuf0'

/** Opens the same buffer elsewhere, and answers in it. */
const otherProcess = `
  import { linuxKernel } from '@linux-dma/core'
  import { openUDmaBuf } from '@linux-dma/udmabuf'
  const buffer = openUDmaBuf('${NAME}', { kernel: linuxKernel() })
  buffer.bytes[1] = buffer.bytes[0] + 1
  buffer.syncForDevice({ size: 4096 })
  buffer.close()
`

/** A u-dma-buf, as memory of this process and of devices: one of 1 MiB, below 28 address bits. */
export function uDmaBuf({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize
  const withBuffer = (test: (buffer: UDmaBuf) => void | Promise<void>) => () =>
    withoutLeaks(host, async () => {
      using buffer = openUDmaBuf(NAME, { kernel })
      await test(buffer)
    })

  describe('u-dma-buf', () => {
    it('is found, and says where it lies', () => {
      const info = listUDmaBufs({ kernel }).find(({ name }) => name === NAME)
      assert.ok(info, 'the machine has to have one')
      const { dmaAddress, ...others } = info
      assert.deepEqual(others, {
        name: NAME,
        node: `/dev/${NAME}`,
        path: `/sys/class/u-dma-buf/${NAME}`,
        size: MiB,
        dmaCoherent: true,
        syncMode: 1,
        syncOwner: others.syncOwner,
        driverVersion: '5.5.0',
        ioctlVersion: 2,
      })
      assert.ok(toNumber(dmaAddress) > 0 && toNumber(dmaAddress) + MiB <= 2 ** 28)
      assert.equal(toNumber(dmaAddress) % page, 0)
    })

    it(
      'is the same memory for all who open it, with caches and past them',
      withBuffer((buffer) => {
        using other = openUDmaBuf(`/dev/${NAME}`, { kernel, cached: false })
        assert.deepEqual([buffer.coherent, other.coherent], [true, true])
        fillPattern(buffer.bytes, 3)
        assert.equal(Buffer.compare(other.bytes, buffer.bytes), 0)
        other.bytes.fill(0)
        assert.equal(Buffer.compare(buffer.bytes, new Uint8Array(MiB)), 0)
      }),
    )

    it('keeps its bytes while nobody has it open, and old views of it none', () =>
      withoutLeaks(host, () => {
        const first = openUDmaBuf(NAME, { kernel })
        const { bytes } = first
        bytes[17] = 99
        first.close()
        assert.equal(bytes[17], 0)
        using second = openUDmaBuf(NAME, { kernel })
        assert.equal(second.bytes[17], 99)
      }))

    it(
      'is handed over by syncs, of which the driver remembers the last',
      withBuffer((buffer) => {
        buffer.syncForDevice({ offset: page, size: 100, direction: ToDevice })
        assert.equal(buffer.syncOwner, 'device')
        buffer.syncForCpu({ offset: MiB - 1, direction: FromDevice })
        assert.equal(buffer.syncOwner, 'cpu')
        assert.equal(listUDmaBufs({ kernel }).find(({ name }) => name === NAME)?.syncOwner, 'cpu')
        refusal(() => buffer.syncForCpu({ offset: MiB }), 'DMA_RANGE')
        refusal(() => buffer.syncForCpu({ size: MiB + 1 }), 'DMA_RANGE')
      }),
    )

    it(
      'is exported by pages, for who has never heard of it',
      withBuffer((buffer) => {
        using part = buffer.exportDmaBuf({ offset: page, size: 2 * page })
        using same = dmaBufGet(part.fd, { kernel })
        const { exporter, size, name, access } = same.info()
        assert.deepEqual([exporter, size, name, access], [NAME, 2 * page, undefined, 'read-write'])
        buffer.bytes[page + 5] = 55
        assert.equal(
          same.cpuAccess('read-write', (bytes) => bytes[5]),
          55,
        )
        using past = openUDmaBuf(NAME, { kernel, cached: false })
        using uncached = past.exportDmaBuf({ size: page })
        uncached.cpuAccess('write', (bytes) => bytes.fill(7))
        assert.equal(buffer.bytes[page - 1], 7)
        for (const range of [
          { offset: -page, size: 2 * page },
          { offset: MiB },
          { offset: page, size: MiB },
        ]) {
          refusal(() => buffer.exportDmaBuf(range), 'DMA_RANGE')
        }
        refusal(() => buffer.exportDmaBuf({ size: 100 }), 'DMA_ALIGNMENT')
      }),
    )

    it(
      'is seen by a device that imports it, in one piece',
      withBuffer((buffer) => {
        using part = buffer.exportDmaBuf({ offset: 2 * page, size: 3 * page })
        const device = host.importDmaBuf(part.fd)
        try {
          assert.deepEqual(device.segments, [3 * page])
        } finally {
          device.detach()
        }
      }),
    )

    it('is not there under another name', () =>
      withoutLeaks(host, () => {
        refusal(() => openUDmaBuf('udmabuf7', { kernel }), 'DMA_NO_DEVICE', new RegExp(`there are: ${NAME}`))
      }))

    it('is refused by VFIO, which takes no address but its own', () =>
      withoutLeaks(host, () => {
        using buffer = openUDmaBuf(NAME, { kernel })
        using device = openVfioDevice(host.edu, { kernel })
        device.setMaster()
        refusal(() => dmaMapSingle(device, buffer.bytes.subarray(0, page), ToDevice), 'EFAULT')
        setDmaOps(device, uDmaBufOps(buffer))
        refusal(() => dmaMapSingle(device, buffer.bytes.subarray(0, page), ToDevice), 'DMA_TRANSLATED')
      }))

    const shares = 'is the same memory in another process'
    if (runProcess) {
      it(
        shares,
        withBuffer(async (buffer) => {
          buffer.bytes[0] = 41
          const { status, output } = await runProcess(otherProcess)
          assert.equal(status, 0, output)
          assert.deepEqual([buffer.bytes[1], buffer.syncOwner], [42, 'device'])
        }),
      )
    } else {
      skip(shares, 'the fake machine has one process and one thread')
    }
  })

  uDmaBufDma({ describe, it }, host)
}

/** The same as the memory of a device that no IOMMU translates for. */
function uDmaBufDma({ describe, it }: Pick<Runner, 'describe' | 'it'>, host: Host): void {
  const { kernel, edu, eduAddressBits } = host
  const page = kernel.pageSize
  const withEdu =
    (test: (device: UioDevice, buffer: UDmaBuf) => void | Promise<void>, path = (ops: DmaOps) => ops) =>
    () =>
      withUioBound(host, edu, async ({ node }) => {
        using buffer = openUDmaBuf(NAME, { kernel })
        using device = openUio(node, { kernel })
        setDmaOps(device, path(uDmaBufOps(buffer)))
        dmaSetMaskAndCoherent(device, dmaBitMask(eduAddressBits))
        device.setMaster()
        await test(device, buffer)
      })
  const slots = (ops: DmaOps) => bounceOps(ops, { byteLength: 0x4_0000 })

  describe('u-dma-buf as the memory of a device', () => {
    it(
      'moves bytes in place',
      withEdu(async (device, buffer) => {
        const [source, target] = [buffer.bytes.subarray(100, 1100), buffer.bytes.subarray(page, page + 1000)]
        fillPattern(source, 7)
        target.fill(0)
        using out = dmaMapSingle(device, source, ToDevice)
        assert.equal(toNumber(out.dmaAddress), toNumber(buffer.dmaAddress) + 100)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 1000)
        using back = dmaMapSingle(device, target, FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 1000)
        assert.deepEqual(back.syncForCpu(), source.slice())
      }),
    )

    it(
      'has coherent memory, zeroed, which can be mapped once more',
      withEdu(async (device, buffer) => {
        buffer.bytes.fill(0xff)
        for (const byteLength of [64, page, 3 * page]) {
          using ring = dmaAllocCoherent(device, byteLength)
          assert.equal(ring.origin, 'u-dma-buf')
          assert.deepEqual(ring.bytes, new Uint8Array(byteLength))
          fillPattern(ring.bytes.subarray(0, 32), byteLength)
          const sent = ring.bytes.slice(0, 32)
          await transfer(device.bar(0), 'to-device', ring.dmaAddress, 32)
          ring.bytes.fill(0)
          await transfer(device.bar(0), 'from-device', ring.dmaAddress, 32)
          assert.deepEqual(ring.bytes.slice(0, 32), sent)
          using window = dmaMmapCoherent(device, ring)
          assert.deepEqual(window.bytes.slice(0, 32), sent)
          const offset = toNumber(ring.dmaAddress) - toNumber(buffer.dmaAddress)
          assert.deepEqual(buffer.bytes.slice(offset, offset + 32), sent)
        }
      }),
    )

    it(
      'has memory that is handed over, and regions',
      withEdu(async (device) => {
        using memory = dmaAllocNoncoherent(device, 512, Bidirectional)
        fillPattern(memory.bytes, 1)
        const sent = memory.bytes.slice()
        memory.syncForDevice()
        await transfer(device.bar(0), 'to-device', memory.dmaAddress, 512)
        using region = createDmaRegion(device, { byteLength: 4 * page })
        const handle = region.mapSingle(2 * page, 512, FromDevice)
        await transfer(device.bar(0), 'from-device', region.addressOf(handle), 512)
        region.unmapSingle(handle)
        assert.deepEqual(region.bytes.slice(2 * page, 2 * page + 512), sent)
      }),
    )

    it(
      'is all there is, unless the path copies',
      withEdu((device, buffer) => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_NOT_IN_BUFFER', /bounceOps/)
        refusal(() => dmaMapSingle(device, new Uint8Array(8), ToDevice), 'DMA_NOT_DMA_MEMORY')
        refusal(() => dmaAllocCoherent(device, buffer.size + 1), 'ENOMEM', /larger/)
        using ring = dmaAllocCoherent(device, page)
        refusal(() => createDmaRegion(device, { memory: buffer.memory }), 'DMA_IN_USE')
        ring.free()
        using all = createDmaRegion(device, { memory: buffer.memory })
        refusal(() => dmaAllocCoherent(device, page), 'ENOMEM')
        assert.equal(toNumber(all.dmaAddress), toNumber(buffer.dmaAddress))
      }),
    )

    it(
      'has slots for bytes of whatever memory',
      withEdu(async (device) => {
        const source = new Uint8Array(3000)
        fillPattern(source, 11)
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const target = memory.bytes.subarray(0, 3000)
        using out = dmaMapSingle(device, source, ToDevice)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 3000)
        using back = dmaMapSingle(device, target, FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 3000)
        assert.ok((bouncePoolOf(device)?.usedSlots ?? 0) >= 4)
        back.unmap()
        assert.deepEqual(target, source)
      }, slots),
    )

    it(
      'has its tables mapped in one piece each',
      withEdu(async (device, buffer) => {
        const parts = [buffer.bytes.subarray(page, 2 * page), buffer.bytes.subarray(5 * page, 5 * page + 256)]
        for (const [index, part] of parts.entries()) fillPattern(part, index)
        using mapped = dmaMapSgtable(device, SgTable.fromBuffers(parts), ToDevice)
        const addresses = Array.from({ length: mapped.nents }, (_, index) =>
          toNumber(mapped.dmaAddressAt(index)),
        )
        assert.deepEqual(
          addresses,
          [1, 5].map((at) => toNumber(buffer.dmaAddress) + at * page),
        )
        await transfer(device.bar(0), 'to-device', mapped.dmaAddressAt(1), 256)
        using back = dmaMapSingle(device, buffer.bytes.subarray(0, 256), FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 256)
        assert.deepEqual(back.syncForCpu(), parts[1]!.slice())
      }),
    )

    it('goes with the device, and the device with it', () =>
      withUioBound(host, edu, ({ node }) => {
        using buffer = openUDmaBuf(NAME, { kernel })
        const device = openUio(node, { kernel })
        setDmaOps(device, uDmaBufOps(buffer))
        device.setMaster()
        const ring = dmaAllocCoherent(device, page)
        const mapping = dmaMapSingle(device, buffer.bytes.subarray(0, 8), ToDevice)
        device.close()
        assert.deepEqual([ring.freed, mapping.mapped, buffer.closed], [true, false, false])
        using second = openUio(node, { kernel })
        setDmaOps(second, uDmaBufOps(buffer))
        second.setMaster()
        const next = dmaAllocCoherent(second, page)
        buffer.close()
        assert.equal(next.freed, true)
        refusal(() => dmaAllocCoherent(second, page), 'DMA_CLOSED')
      }))
  })
}
