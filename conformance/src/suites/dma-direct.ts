import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  type DmaDevice,
  DmaDirection,
  type DmaMemory,
  type DmaOps,
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
  type IoRegion,
  physicalAddressAt,
  readFrames,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, SgTable } from '@linux-dma/sg'
import { withBareDevice } from '../bare-device'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { refusal, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection

/** Devices that are given physical addresses: on a machine without an IOMMU. */
export function dmaDirect({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = kernel.pageSize
  /** The highest address that the device's engine drives. */
  const reach = 2 ** host.eduAddressBits - 1
  const direct = (): DmaOps => directOps({ unsafePhysicalAddresses: true, kernel, pciAddress: edu })

  const withEdu = (test: (device: DmaDevice, registers: IoRegion) => void | Promise<void>) =>
    withBareDevice(host, direct(), async (device, registers) => {
      // Wider than the engine: where its transfers go is chosen here, and most tests make none.
      dmaSetMaskAndCoherent(device, dmaBitMask(64))
      try {
        await test(device, registers)
      } finally {
        for (const memory of opened.splice(0)) memory.close()
      }
    })
  const opened: DmaMemory[] = []
  /** Pages that the device's engine reaches. What was looked through is kept till the end of the test, to get further. */
  const reachablePages = (count: number): Uint8Array[] => {
    const found: Uint8Array[] = []
    for (let round = 0; found.length < count && round < 128; round++) {
      const memory = allocateDmaMemory({ byteLength: 1024 * page, kernel })
      opened.push(memory)
      using _pin = memory.pin()
      readFrames(memory).forEach((frame, index) => {
        if (frame * page <= reach) found.push(memory.bytes.subarray(index * page, (index + 1) * page))
      })
    }
    assert.ok(found.length >= count, `no page below 0x${reach.toString(16)} in 512 MiB`)
    return found
  }

  /** Pages of which no two that are neighbours in the buffer are so to a device: made in turns with others. */
  const scattered = (pages: number): DmaMemory => {
    const memory = allocateDmaMemory({ byteLength: pages * page, kernel })
    using other = allocateDmaMemory({ byteLength: pages * page, kernel })
    for (let at = 0; at < memory.byteLength; at += page) {
      memory.bytes[at] = 1
      other.bytes[at] = 1
    }
    return memory
  }
  const pinnedKilobytes = () => Number(/^VmPin:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1])

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
        const first = dmaMapSingle(device, memory.bytes.subarray(page, 2 * page), FromDevice)
        const second = dmaMapSingle(device, memory.bytes.subarray(page + 8, page + 16), FromDevice)
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

    it('refuses memory in pieces, page by page it maps it', () =>
      withEdu((device) => {
        using memory = scattered(16)
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        refusal(
          () => createDmaRegion(device, { memory }),
          'DMA_NOT_CONTIGUOUS',
          /dmaMapSgtable.*hugePageSize/,
        )
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
        const frames = (() => {
          using _pin = memory.pin()
          return readFrames(memory)
        })()
        for (let index = 0; index < 16; index++) {
          using mapping = dmaMapSingle(
            device,
            memory.bytes.subarray(index * page, index * page + page),
            ToDevice,
          )
          assert.equal(toNumber(mapping.dmaAddress), frames[index]! * page)
        }
      }))

    it('gives a table of memory in pieces to the device piece by piece', () =>
      withEdu(async (device, registers) => {
        using memory = scattered(16)
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        const mapped = dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes.subarray(100)]), ToDevice)
        const frames = readFrames(memory)
        const reached = Array.from(mapped, ({ dmaAddress, dmaLength }) => [toNumber(dmaAddress), dmaLength])
        const runs: number[][] = []
        for (const [index, frame] of frames.entries()) {
          const start = frame * page + (index === 0 ? 100 : 0)
          const byteLength = index === 0 ? page - 100 : page
          const last = runs.at(-1)
          if (last && last[0]! + last[1]! === start) last[1]! += byteLength
          else runs.push([start, byteLength])
        }
        assert.deepEqual(reached, runs)
        mapped.unmap()
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)

        const [source, target] = reachablePages(2)
        fillPattern(source!, 7)
        const out = dmaMapSgtable(device, SgTable.fromBuffers([source!.subarray(8, 3008)]), ToDevice)
        await transfer(registers, 'to-device', out.dmaAddressAt(0), 3000)
        out.unmap()
        const back = dmaMapSgtable(device, SgTable.fromBuffers([target!]), FromDevice)
        await transfer(registers, 'from-device', back.dmaAddressAt(0), 3000)
        back.unmap()
        assert.deepEqual(target!.slice(0, 3000), source!.slice(8, 3008))
      }))

    it('maps thousands of parts, by themselves and in a table, with a few descriptors', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 6000 * page, kernel })
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        const pages = Array.from({ length: 3000 }, (_, index) => 2 * index)
        const table = SgTable.fromPages(pages, { memory })
        const mapped = dmaMapSgtable(device, table, FromDevice)
        assert.equal(mapped.nents, 3000)
        assert.equal(kernel.live().descriptors, before.descriptors + 1)
        const singles = pages.map((index) =>
          dmaMapSingle(device, memory.bytes.subarray(index * page, (index + 1) * page), FromDevice),
        )
        assert.ok(kernel.live().descriptors < before.descriptors + 12)
        for (const [index, single] of singles.entries()) {
          assert.equal(single.dmaAddress, mapped.dmaAddressAt(index))
          single.unmap()
        }
        mapped.unmap()
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
      }))

    it('has a table of frames among what the device has', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using _pin = memory.pin()
        const frames = SgTable.fromPages(readFrames(memory, {}, new Uint32Array(4)))
        const mapped = dmaMapSgtable(device, frames, ToDevice)
        assert.equal(toNumber(mapped.dmaAddressAt(0)), toNumber(physicalAddressAt(memory, 0)))
        assert.equal(device.children.size, 1)
        refusal(() => dmaSetMask(device, dmaBitMask(24)), 'DMA_MASK_IN_USE')
        device.close()
        assert.equal(mapped.mapped, false)
        refusal(() => mapped.dmaAddressAt(0), 'DMA_NOT_MAPPED')
      }).then(() =>
        withBareDevice(
          host,
          directOps({ unsafePhysicalAddresses: true, kernel, busLimit: dmaBitMask(20) }),
          (device) => {
            dmaSetMaskAndCoherent(device, dmaBitMask(64))
            refusal(() => dmaMapSgtable(device, SgTable.fromPages([0x100, 0x200]), ToDevice), 'EIO')
            assert.equal(device.children.size, 0)
          },
        ),
      ))

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
