import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapResource,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  dmaUnmapResource,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { transfer } from '../edu'
import type { Host, Runner } from '../host'
import { ADMIN_QUEUE_ATTRIBUTES, CAPABILITIES } from '../nvme'
import { refusal, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** Peer to peer: one device reaches the registers of another. */
export function dmaResource({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const withBoth = (test: (edu: VfioDevice, nvme: VfioDevice) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using edu = openVfioDevice(host.edu, { kernel })
      using nvme = openVfioDevice(host.nvme, { kernel })
      edu.setMaster()
      dmaSetMaskAndCoherent(edu, dmaBitMask(28))
      await test(edu, nvme)
    })

  describe('dma resource', () => {
    it('lets one device read the registers of another', () =>
      withBoth(async (edu, nvme) => {
        const registers = nvme.bar(0)
        using capabilities = dmaMapResource(edu, registers, CAPABILITIES, 8, ToDevice)
        using memory = dmaAllocCoherent(edu, 64)
        await transfer(edu.bar(0), 'to-device', capabilities.dmaAddress, 8)
        await transfer(edu.bar(0), 'from-device', memory.dmaAddress, 8)
        const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset)
        assert.equal(view.getBigUint64(0, true), registers.read64(CAPABILITIES))
        assert.notEqual(view.getBigUint64(0, true), 0n)
      }))

    it('lets one device write a register of another, and leaves those beside it', () =>
      withBoth(async (edu, nvme) => {
        const registers = nvme.bar(0)
        const beside = registers.read32(ADMIN_QUEUE_ATTRIBUTES + 4)
        using queue = dmaMapResource(edu, registers, ADMIN_QUEUE_ATTRIBUTES, 4, Bidirectional)
        using memory = dmaAllocCoherent(edu, 64)
        new DataView(memory.bytes.buffer, memory.bytes.byteOffset).setUint32(0, 0x0003_0005, true)
        await transfer(edu.bar(0), 'to-device', memory.dmaAddress, 4)
        await transfer(edu.bar(0), 'from-device', queue.dmaAddress, 4)
        assert.equal(registers.read32(ADMIN_QUEUE_ATTRIBUTES), 0x0003_0005)
        assert.equal(registers.read32(ADMIN_QUEUE_ATTRIBUTES + 4), beside)
      }))

    it('maps whole pages, below the mask, at the offset within the page', () =>
      withBoth((edu, nvme) => {
        const registers = nvme.bar(0)
        using across = dmaMapResource(edu, registers, page - 4, 8, FromDevice)
        assert.equal(toNumber(across.dmaAddress) % page, page - 4)
        assert.ok(toNumber(across.dmaAddress) < 2 ** 28)
        using part = dmaMapResource(edu, registers.subRegion(0x1000, 0x100), 0x10, 4, ToDevice)
        assert.equal(toNumber(part.dmaAddress) % page, 0x10)
        assert.deepEqual([part.byteLength, part.direction, part.mapped], [4, ToDevice, true])
        assert.equal(edu.children.size, 2)
      }))

    it('leaves masks to be changed while the device may not start transfers', () =>
      withBoth((edu, nvme) => {
        using mapping = dmaMapResource(edu, nvme.bar(0), 0, 4, ToDevice)
        const { dmaAddress } = mapping
        edu.clearMaster()
        refusal(() => mapping.dmaAddress, 'DMA_BUS_MASTER_OFF')
        dmaSetMask(edu, dmaBitMask(30))
        refusal(() => dmaSetMask(edu, BigInt(toNumber(dmaAddress) + page - 2)), 'DMA_MASK_IN_USE')
        edu.setMaster()
        assert.equal(mapping.dmaAddress, dmaAddress)
      }))

    it('counts nothing against the memory lock', () =>
      withBoth((edu, nvme) => {
        const locked = () => Number(/^VmLck:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1])
        const before = locked()
        using _mapping = dmaMapResource(edu, nvme.bar(0), 0, nvme.bar(0).byteLength, Bidirectional)
        assert.equal(locked(), before)
      }))

    it('refuses memory where registers are meant', () =>
      withBoth((edu) => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        for (const wrong of [memory, memory.bytes, new Uint8Array(8), new ArrayBuffer(8), {}, undefined, 5]) {
          refusal(
            () => dmaMapResource(edu, wrong as never, 0, 4, ToDevice),
            'DMA_NOT_REGISTERS',
            /dmaMapSingle/,
          )
        }
      }))

    it('refuses registers that are not mapped, and ranges outside them', () =>
      withBoth((edu, nvme) => {
        refusal(() => dmaMapResource(edu, nvme.config, 0, 4, ToDevice), 'DMA_UNSUPPORTED', /memory BAR/)
        const registers = nvme.bar(0)
        for (const [offset, length] of [
          [0, 0],
          [-1, 4],
          [registers.byteLength, 1],
          [registers.byteLength - 4, 8],
          [0.5, 4],
          [0, Number.NaN],
          [0, 2 ** 53],
        ] as const) {
          refusal(() => dmaMapResource(edu, registers, offset, length, ToDevice), 'DMA_RANGE')
        }
        refusal(() => dmaMapResource(edu, registers, 0, 4, 3 as never), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaMapResource(edu, registers, 0, 4, ToDevice, 1 << 6), 'DMA_ATTRIBUTE')
        edu.clearMaster()
        refusal(() => dmaMapResource(edu, registers, 0, 4, ToDevice), 'DMA_BUS_MASTER_OFF')
        assert.equal(edu.children.size, 0)
      }))

    it('ends with the registers, with either device, and once', () =>
      withBoth((edu, nvme) => {
        const registers = nvme.bar(0)
        const first = dmaMapResource(edu, registers, 0, 4, ToDevice)
        dmaUnmapResource(edu, first)
        refusal(() => dmaUnmapResource(edu, first), 'DMA_NOT_MAPPED')
        refusal(() => first.dmaAddress, 'DMA_NOT_MAPPED')
        first[Symbol.dispose]()
        const second = dmaMapResource(edu, registers.subRegion(8, 8), 0, 4, ToDevice)
        refusal(() => dmaUnmapResource(nvme, second), 'DMA_WRONG_DEVICE')
        refusal(() => dmaUnmapResource(edu, {} as never), 'DMA_INVALID_ARGUMENT')
        registers.close()
        assert.equal(second.mapped, false)
        assert.equal(edu.children.size, 0)
        refusal(() => dmaMapResource(edu, registers, 0, 4, ToDevice), 'DMA_CLOSED')
        const third = dmaMapResource(edu, nvme.bar(0), 0, 4, ToDevice)
        nvme.close()
        assert.equal(third.mapped, false)
        refusal(() => third.dmaAddress, 'DMA_NOT_MAPPED')
        using own = dmaMapResource(edu, edu.bar(0), 0, 4, ToDevice)
        edu.close()
        assert.equal(own.mapped, false)
      }))
  })
}
