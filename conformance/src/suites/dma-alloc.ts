import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaAllocPages,
  dmaBitMask,
  dmaCanMmap,
  dmaFreeCoherent,
  dmaFreeNoncoherent,
  dmaFreePages,
  dmaMapPage,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaMmapPages,
  dmaSetMaskAndCoherent,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapPage,
  dmaUnmapSingle,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const HUGE = 0x20_0000

/** Pages, coherent and non-coherent allocations, and their second mappings. */
export function dmaAlloc({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const withEdu = (test: (device: VfioDevice) => void | Promise<void>) =>
    withDevice(host, (device) => {
      device.setMaster()
      dmaSetMaskAndCoherent(device, dmaBitMask(28))
      return test(device)
    })
  /** Through the device's buffer and back. */
  const move = async (device: VfioDevice, from: ToAddress, to: ToAddress, byteLength: number) => {
    await transfer(device.bar(0), 'to-device', from.dmaAddress, byteLength)
    await transfer(device.bar(0), 'from-device', to.dmaAddress, byteLength)
  }

  describe('dma alloc', () => {
    it('maps a part of memory by page and offset', () =>
      withEdu(async (device) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        fillPattern(memory.bytes, 1)
        const before = memory.bytes.slice()
        using source = dmaMapPage(device, memory, 1, 100, 3000, ToDevice)
        // An offset of a page and more is as good.
        using target = dmaMapPage(device, memory, 0, 2 * page + 7, 3000, FromDevice)
        assert.equal(toNumber(source.dmaAddress) % page, 100)
        assert.equal(toNumber(target.dmaAddress) % page, 7)
        await move(device, source, target, 3000)
        dmaUnmapPage(device, source)
        dmaUnmapPage(device, target)
        const at = 2 * page + 7
        assert.deepEqual(memory.bytes.slice(at, at + 3000), before.slice(page + 100, page + 3100))
        refusal(() => dmaUnmapPage(device, target), 'DMA_NOT_MAPPED')
        using region = createDmaRegion(device, { memory })
        using inside = dmaMapPage(device, memory, 3, 16, page - 16, ToDevice)
        assert.equal(toNumber(inside.dmaAddress) - toNumber(region.dmaAddress), 3 * page + 16)
      }))

    it('refuses pages and offsets outside the memory', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        for (const [index, offset, length] of [
          [2, 0, 1],
          [-1, page, 1],
          [0.5, 0, 1],
          [0, -1, 2],
          [0, 0.5, 1],
          [0, 2 * page, 1],
          [1, 1, page],
          [0, 0, 2 * page + 1],
          [0, 2 ** 53, 1],
          [0, Number.NaN, 1],
          [Number.NaN, 0, 1],
          [0, 0, 0],
        ] as const) {
          refusal(() => dmaMapPage(device, memory, index, offset, length, ToDevice), 'DMA_RANGE')
        }
        refusal(() => dmaMapPage(device, memory.bytes as never, 0, 0, 1, ToDevice), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaMapPage(device, memory, 0, 0, 1, 3 as never), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaMapPage(device, memory, 0, 0, 1, ToDevice, DmaAttribute.Mmio), 'DMA_ATTRIBUTE')
        memory.close()
        refusal(() => dmaMapPage(device, memory, 0, 0, 1, ToDevice), 'DMA_CLOSED')
      }))

    it('allocates without bytes of its own, for devices alone', () =>
      withEdu(async (device) => {
        const { mappings } = kernel.live()
        using cookie = dmaAllocCoherent(device, 2 * page, DmaAttribute.NoKernelMapping)
        using target = dmaAllocCoherent(device, 2 * page)
        assert.equal(kernel.live().mappings, mappings + 1)
        refusal(() => cookie.bytes, 'DMA_NO_KERNEL_MAPPING', /dmaMmapCoherent/)
        refusal(() => cookie.memory.bytes, 'DMA_NO_KERNEL_MAPPING')
        refusal(() => cookie.memory.address, 'DMA_NO_KERNEL_MAPPING')
        // The device has the pages all the same: what it writes comes back, and can be seen once they are mapped.
        fillPattern(target.bytes, 9)
        const sent = target.bytes.slice(0, 2000)
        await move(device, target, cookie, 2000)
        target.bytes.fill(0)
        await move(device, cookie, target, 2000)
        assert.deepEqual(target.bytes.slice(0, 2000), sent)
        {
          // It can be given to further devices, and once more to this one; that leaves no mapping here either.
          const before = kernel.live().mappings
          using again = createDmaRegion(device, { memory: cookie.memory })
          assert.equal(kernel.live().mappings, before)
          refusal(() => again.bytes, 'DMA_NO_KERNEL_MAPPING')
          target.bytes.fill(0)
          await move(device, again, target, 2000)
          assert.deepEqual(target.bytes.slice(0, 2000), sent)
        }
        using window = dmaMmapCoherent(device, cookie)
        assert.deepEqual(window.bytes.slice(0, 2000), sent)
        window.bytes[5] = sent[5]! ^ 0xff
        await move(device, cookie, target, 16)
        assert.equal(target.bytes[5], sent[5]! ^ 0xff)
        cookie.free()
        refusal(() => dmaMmapCoherent(device, cookie), 'DMA_CLOSED')
        assert.equal(window.bytes[6], sent[6], 'a mapping is closed by whoever made it')
      }))

    it('takes contiguous memory from one page, or refuses', () =>
      withEdu((device) => {
        using whole = dmaAllocCoherent(device, 5 * page, DmaAttribute.ForceContiguous)
        whole.bytes.fill(1)
        assert.equal(whole.byteLength, 5 * page)
        assert.equal(whole.memory.hugePageSize, HUGE)
        const entries = new BigUint64Array(5)
        kernel.readPagemap(whole.memory.address, entries)
        const frames = [...entries].map((entry) => Number(entry & ((1n << 55n) - 1n)))
        assert.notEqual(frames[0], 0)
        assert.deepEqual(
          frames,
          frames.map((_, i) => frames[0]! + i),
        )
        using small = dmaAllocCoherent(device, page, DmaAttribute.ForceContiguous)
        assert.equal(small.memory.hugePageSize, undefined)
        using huge = dmaAllocCoherent(device, 1, 0, { hugePageSize: HUGE })
        assert.equal(huge.memory.hugePageSize, HUGE)
        const force = (byteLength: number) => () =>
          dmaAllocCoherent(device, byteLength, DmaAttribute.ForceContiguous)
        refusal(force(HUGE + 1), 'DMA_NOT_CONTIGUOUS', /0x40000000/)
      }))

    it('refuses attributes and options that an allocation cannot have, and takes hints', () =>
      withEdu((device) => {
        refusal(() => dmaAllocCoherent(device, 1, DmaAttribute.Mmio), 'DMA_ATTRIBUTE')
        refusal(() => dmaAllocCoherent(device, 1, DmaAttribute.SkipCpuSync), 'DMA_ATTRIBUTE')
        refusal(() => dmaAllocCoherent(device, 1, 1), 'DMA_INVALID_ARGUMENT', /DmaAttribute/)
        refusal(() => dmaAllocCoherent(device, 1, { hugePageSize: HUGE } as never), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaAllocCoherent(device, 1, 0, { hugePages: HUGE } as never), 'DMA_INVALID_ARGUMENT')
        const { WeakOrdering, WriteCombine, AllocSinglePages, NoWarn, Privileged, RequireCoherent } =
          DmaAttribute
        const hints = WeakOrdering | WriteCombine | AllocSinglePages | NoWarn | Privileged | RequireCoherent
        using allocation = dmaAllocCoherent(device, 1, hints)
        assert.equal(allocation.bytes[0], 0)
      }))

    it('maps an allocation once more, page by page, and not beyond', () =>
      withEdu((device) => {
        assert.equal(dmaCanMmap(device), true)
        using coherent = dmaAllocCoherent(device, 2 * page + 1)
        using pages = dmaAllocPages(device, 2 * page + 1, Bidirectional)
        for (const map of [
          (options?: object) => dmaMmapCoherent(device, coherent, options),
          (options?: object) => dmaMmapPages(device, pages, options),
        ]) {
          for (const [pageOffset, byteLength] of [
            [3, 1],
            [3, page],
            [4, 1],
            [2, page + 1],
            [1, 2 * page + 1],
            [0, 3 * page + 1],
            [2 ** 40, 1],
          ]) {
            refusal(() => map({ pageOffset, byteLength }), 'ENXIO', /in pages/)
          }
          refusal(() => map({ pageOffset: 3 }), 'ENXIO')
          for (const [pageOffset, byteLength] of [
            [-1, 1],
            [0, 0],
            [0.5, 1],
            [0, Number.NaN],
            [0, 2 ** 53],
          ]) {
            refusal(() => map({ pageOffset, byteLength }), 'DMA_INVALID_ARGUMENT')
          }
          refusal(() => map({ offset: 1 }), 'DMA_INVALID_ARGUMENT', /pageOffset/)
          using whole = map()
          using last = map({ pageOffset: 2 })
          using middle = map({ pageOffset: 1, byteLength: 10 })
          assert.equal(whole.byteLength, 3 * page)
          assert.equal(last.byteLength, page)
          whole.bytes[2 * page] = 4
          whole.bytes[page + 3] = 5
          assert.deepEqual([last.bytes[0], middle.bytes[3]], [4, 5])
        }
        assert.equal(coherent.bytes[2 * page], 4)
        assert.equal(pages.bytes[2 * page], 4)
      }))

    it('gives the device a part of a second mapping, as one of the memory', () =>
      withEdu(async (device) => {
        using allocation = dmaAllocCoherent(device, 3 * page)
        using target = dmaAllocCoherent(device, page)
        using window = dmaMmapCoherent(device, allocation, { pageOffset: 1 })
        fillPattern(window.bytes, 8)
        const part = window.bytes.subarray(page - 50, page + 50)
        {
          using mapping = dmaMapSingle(device, part, ToDevice)
          assert.equal(toNumber(mapping.dmaAddress) % page, page - 50)
          await move(device, mapping, target, 100)
        }
        assert.deepEqual(target.bytes.slice(0, 100), part.slice())
        assert.deepEqual(allocation.bytes.slice(2 * page - 50, 2 * page + 50), part.slice())
        using region = createDmaRegion(device, { memory: allocation.memory })
        using inRegion = dmaMapSingle(device, part, ToDevice)
        assert.equal(inRegion.dmaAddress, region.addressAt(2 * page - 50, 100))
        const { bytes } = window
        allocation.free()
        refusal(() => dmaMapSingle(device, bytes, ToDevice), 'DMA_CLOSED')
      }))

    it('frees and maps an allocation by the functions of its own family', () =>
      withEdu((device) => {
        using coherent = dmaAllocCoherent(device, page)
        using noncoherent = dmaAllocNoncoherent(device, page, Bidirectional)
        for (const call of [
          () => dmaFreeCoherent(device, noncoherent as never),
          () => dmaMmapCoherent(device, noncoherent as never),
          () => dmaFreeNoncoherent(device, coherent as never),
          () => dmaMmapPages(device, coherent as never),
        ]) {
          refusal(call, 'DMA_INVALID_ARGUMENT', /own family/)
        }
        assert.deepEqual([coherent.freed, noncoherent.freed], [false, false])
      }))

    it('hands non-coherent memory to and fro, the CPU first', () =>
      withEdu(async (device) => {
        using source = dmaAllocNoncoherent(device, 3000, ToDevice)
        using target = dmaAllocPages(device, 3000, FromDevice)
        assert.deepEqual([source.owner, target.owner, source.bytes.byteLength], ['cpu', 'cpu', 3000])
        assert.ok(source.bytes.every((byte) => byte === 0))
        fillPattern(source.bytes, 3)
        const sent = source.bytes.slice()
        source.syncForDevice()
        dmaSyncSingleForDevice(device, target)
        assert.equal(source.owner, 'device')
        refusal(() => source.bytes, 'DMA_DEVICE_OWNS')
        await move(device, source, target, 3000)
        assert.deepEqual(dmaSyncSingleForCpu(device, target), sent)
        refusal(() => dmaUnmapSingle(device, target), 'DMA_INVALID_ARGUMENT', /dmaFreeNoncoherent/)
        assert.equal(target.mapped, true)
        dmaFreePages(device, target)
        refusal(() => dmaFreePages(device, target), 'DMA_CLOSED')
        refusal(() => target.dmaAddress, 'DMA_NOT_MAPPED')
        refusal(() => dmaMmapPages(device, target), 'DMA_CLOSED')
        for (const byteLength of [0, -1, 1.5, Number.NaN]) {
          refusal(() => dmaAllocNoncoherent(device, byteLength, ToDevice), 'DMA_INVALID_ARGUMENT')
        }
        refusal(() => dmaAllocNoncoherent(device, 1, 3 as never), 'DMA_INVALID_ARGUMENT')
      }))

    it('frees what is left when the device closes', () =>
      withoutLeaks(host, () => {
        const device = openVfioDevice(host.edu, { kernel })
        device.setMaster()
        const cookie = dmaAllocCoherent(device, 1, DmaAttribute.NoKernelMapping)
        const pages = dmaAllocNoncoherent(device, 1, ToDevice)
        device.close()
        assert.deepEqual([cookie.freed, pages.freed, pages.mapped], [true, true, false])
        refusal(() => dmaFreeCoherent(device, cookie), 'DMA_CLOSED')
        refusal(() => dmaFreeNoncoherent(device, pages), 'DMA_CLOSED')
        refusal(() => dmaAllocNoncoherent(device, 1, ToDevice), 'DMA_CLOSED')
        refusal(() => dmaCanMmap(device), 'DMA_CLOSED')
        using again = openVfioDevice(host.edu, { kernel })
        refusal(() => dmaFreeNoncoherent(again, pages), 'DMA_WRONG_DEVICE')
        refusal(() => dmaMmapCoherent(again, cookie), 'DMA_WRONG_DEVICE')
      }))
  })
}

type ToAddress = Pick<ReturnType<typeof dmaAllocCoherent>, 'dmaAddress'>
