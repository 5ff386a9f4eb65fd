import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  type DmaRegion,
  directOps,
  dmaAddressingLimited,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaGetRequiredMask,
  dmaMapSingle,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  physicalAddressAt,
  readFrames,
  toNumber,
} from '@linux-dma/core'
import { withBareDevice } from '../bare-device'
import { directEdu } from '../direct-edu'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { refusal, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection

/** Devices that are given physical addresses: on a machine without an IOMMU. */
export function dmaDirect({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const { page, reach, withEdu, reachablePages, pinnedKilobytes } = directEdu(host)

  describe('dma direct', () => {
    it('has to be asked for by name', () =>
      withoutLeaks(host, () => {
        for (const unsafePhysicalAddresses of [undefined, false, 'true', 1]) {
          refusal(
            () => directOps({ unsafePhysicalAddresses, kernel } as never),
            'DMA_UNSAFE_PHYSICAL',
            /overwrites any memory.*@linux-dma\/vfio.*unsafePhysicalAddresses: true/,
          )
        }
        refusal(
          () => directOps({ unsafePhysicalAddresses: true, kernal: kernel } as never),
          'DMA_INVALID_ARGUMENT',
        )
        refusal(() => directOps(undefined as never), 'DMA_INVALID_ARGUMENT')
        for (const pciAddress of ['', '04.0', '../../..', '0000:00:04.0/..', 5]) {
          const options = { unsafePhysicalAddresses: true, kernel, pciAddress } as never
          refusal(() => directOps(options), 'DMA_INVALID_ARGUMENT', undefined)
        }
        refusal(
          () => directOps({ unsafePhysicalAddresses: true, kernel, pciAddress: '0000:7f:1f.7' }),
          'ENOENT',
        )
        for (const busLimit of [0n, -1n, 1n << 64n, 32]) {
          refusal(
            () => directOps({ unsafePhysicalAddresses: true, kernel, busLimit } as never),
            'DMA_INVALID_ARGUMENT',
          )
        }
      }))

    it('moves bytes between the device and pages at their physical addresses', () =>
      withEdu(async (device, registers) => {
        const [source, target] = reachablePages(2)
        fillPattern(source!, 3)
        const out = dmaMapSingle(device, source!.subarray(5, 4005), ToDevice)
        assert.equal(toNumber(out.dmaAddress) % page, 5)
        await transfer(registers, 'to-device', out.dmaAddress, 4000)
        out.unmap()
        const back = dmaMapSingle(device, target!.subarray(0, 4000), FromDevice)
        await transfer(registers, 'from-device', back.dmaAddress, 4000)
        assert.deepEqual(back.syncForCpu(), source!.slice(5, 4005))
        back.unmap()
      }))

    it('moves bytes in a region of a huge page', () =>
      withHugePages(host, 1, (hugePageSize) =>
        withEdu(async (device, registers) => {
          // One after the other, until one lies where the device's engine reaches; closed with the device.
          let region: DmaRegion
          do region = createDmaRegion(device, { byteLength: hugePageSize, hugePageSize })
          while (toNumber(region.dmaAddress) > reach)
          const at = hugePageSize - 4000
          fillPattern(region.bytes.subarray(at), 9)
          const out = region.mapSingle(at, 4000, ToDevice)
          await transfer(registers, 'to-device', region.addressOf(out), 4000)
          const back = region.mapSingle(100, 4000, FromDevice)
          await transfer(registers, 'from-device', region.addressOf(back), 4000)
          for (const handle of [out, back]) region.unmapSingle(handle)
          assert.deepEqual(region.bytes.slice(100, 4100), region.bytes.slice(at))
        }),
      ))

    it('gives coherent memory at its physical address', () =>
      withEdu((device) => {
        using coherent = dmaAllocCoherent(device, page)
        assert.equal(toNumber(coherent.dmaAddress), toNumber(physicalAddressAt(coherent.memory, 0)))
      }))

    it('pins what is mapped, for as long as it is', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        const before = pinnedKilobytes()
        const first = dmaMapSingle(device, memory.bytes.subarray(page, 2 * page), ToDevice)
        const second = dmaMapSingle(device, memory.bytes.subarray(page + 8, page + 16), ToDevice)
        // The second lies in what the first has pinned.
        assert.equal(pinnedKilobytes() - before, page / 1024)
        assert.equal(memory.isPinned(page, page), true)
        first.unmap()
        assert.equal(memory.isPinned(page, page), true)
        assert.equal(toNumber(second.dmaAddress) % page, 8)
        second.unmap()
        assert.equal(memory.isPinned(page, page), false)
        assert.equal(pinnedKilobytes(), before)
      }))

    it('takes a huge page for what is allocated in more than one page', () =>
      withHugePages(host, 2, (hugePageSize) =>
        withEdu((device) => {
          using coherent = dmaAllocCoherent(device, 40 * page)
          using noncoherent = dmaAllocNoncoherent(device, hugePageSize, FromDevice)
          for (const { dmaAddress, memory, byteLength } of [coherent, noncoherent]) {
            const frames = readFrames(memory, { byteLength })
            assert.equal(toNumber(dmaAddress), frames[0]! * page)
            assert.ok(frames.every((frame, index) => frame === frames[0]! + index))
          }
          assert.equal(coherent.bytes.byteLength, 40 * page)
        }),
      ))

    it('refuses what lies above the mask or the bus limit, and keeps nothing of it pinned', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const { address, highest } = (() => {
          using _pin = memory.pin()
          const start = toNumber(physicalAddressAt(memory, 0))
          return { address: start, highest: dmaBitMask((start + page - 1).toString(2).length) }
        })()
        const low = highest >> 1n
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        dmaSetMask(device, low)
        const error = refusal(
          () => dmaMapSingle(device, memory.bytes, ToDevice),
          'DMA_ABOVE_MASK',
          /bounceOps/,
        )
        assert.ok(error.message.includes(`${address.toString(16)}+${page}`), error.message)
        assert.ok(error.message.includes(`0x${low.toString(16)}`), error.message)
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
        dmaSetMask(device, highest)
        dmaMapSingle(device, memory.bytes, ToDevice).unmap()
      }).then(() =>
        withBareDevice(
          host,
          directOps({ unsafePhysicalAddresses: true, kernel, busLimit: dmaBitMask(20) }),
          (device) => {
            dmaSetMaskAndCoherent(device, dmaBitMask(64))
            using memory = allocateDmaMemory({ byteLength: page, kernel })
            refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_ABOVE_MASK')
            refusal(() => dmaAllocCoherent(device, 64), 'DMA_ABOVE_MASK')
            assert.equal(dmaGetRequiredMask(device), dmaBitMask(20))
          },
        ),
      ))

    it('knows how far the machine’s memory reaches', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 64 * page, kernel })
        using _pin = memory.pin()
        const required = dmaGetRequiredMask(device)
        for (const frame of readFrames(memory)) assert.ok(BigInt(frame) * BigInt(page) <= required)
        assert.equal(required & (required + 1n), 0n)
        dmaSetMask(device, required)
        assert.equal(dmaAddressingLimited(device), false)
        dmaSetMask(device, required >> 1n)
        assert.equal(dmaAddressingLimited(device), true)
        for (const bits of [24, 28, 32, 64]) dmaSetMask(device, dmaBitMask(bits))
        // No machine has its memory below 16 MiB.
        for (const bits of [12, 23]) refusal(() => dmaSetMask(device, dmaBitMask(bits)), 'EIO')
      }))

    it('leaves nothing pinned, whatever is closed first', () =>
      withEdu((device) => {
        const before = pinnedKilobytes()
        const memory = allocateDmaMemory({ byteLength: page, kernel })
        const other = allocateDmaMemory({ byteLength: page, kernel })
        const region = createDmaRegion(device, { memory })
        const mapping = dmaMapSingle(device, other.bytes, FromDevice)
        createDmaRegion(device, { memory: other })
        memory.close()
        assert.equal(region.closed, true)
        device.close()
        assert.equal(mapping.mapped, false)
        assert.equal(pinnedKilobytes(), before)
        other.close()
      }))
  })
}
