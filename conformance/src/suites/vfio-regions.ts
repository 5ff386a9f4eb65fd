import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaGetRequiredMask,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaOptMappingSize,
  dmaSetCoherentMask,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  toNumber,
} from '@linux-dma/core'
import type { Host, Runner } from '../host'
import { refusal, withDevice } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection

/** Memory that is a device’s for long: where it may lie, what goes on in it, and what ends it. */
export function vfioRegions({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('vfio regions', () => {
    it('gives back a region’s own memory once, whoever closes it', () =>
      withDevice(host, (device) => {
        device.setMaster()
        const region = createDmaRegion(device, { byteLength: 4096 })
        region.memory.close()
        assert.equal(region.closed, true)
        region.close()
      }))

    it('refuses ranges outside a region, empty or senseless', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 8192 })
        for (const [offset, length] of [
          [0, 0],
          [0, 8193],
          [8192, 1],
          [8191, 2],
          [-1, 1],
          [0, -1],
          [0.5, 1],
          [0, 1.5],
          [Number.NaN, 1],
          [0, Number.NaN],
          [2 ** 53, 1],
          [0, 2 ** 53],
          [Number.POSITIVE_INFINITY, 1],
        ] as const) {
          refusal(() => region.mapSingle(offset, length, ToDevice), 'DMA_RANGE')
          refusal(() => region.addressAt(offset, length), 'DMA_RANGE')
        }
        assert.equal(region.liveMappings, 0)
      }))

    it('refuses a direction that the region does not allow', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 4096, direction: ToDevice })
        refusal(() => region.mapSingle(0, 64, FromDevice), 'DMA_DIRECTION')
        // Through the object API the pages are mapped a second time, for the direction that is asked for.
        using mapping = dmaMapSingle(device, region.bytes, FromDevice)
        assert.notEqual(toNumber(mapping.dmaAddress), toNumber(region.dmaAddress))
      }))

    it('places memory below the mask, and refuses masks that cannot be kept', () =>
      withDevice(host, (device) => {
        device.setMaster()
        for (const bits of [64, 40, 32, 28, 24, 14]) {
          dmaSetMaskAndCoherent(device, dmaBitMask(bits))
          using region = createDmaRegion(device, { byteLength: 4096 })
          using coherent = dmaAllocCoherent(device, 64)
          for (const address of [region.dmaAddress, coherent.dmaAddress]) {
            assert.ok(
              toNumber(address) + 4096 <= 2 ** bits,
              `${bits} bits: 0x${toNumber(address).toString(16)}`,
            )
            assert.ok(toNumber(address) > 0)
          }
        }
        refusal(() => dmaSetMask(device, dmaBitMask(12)), 'EIO')
        refusal(() => dmaSetCoherentMask(device, 0n), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaSetMask(device, 28 as never), 'DMA_INVALID_ARGUMENT', /dmaBitMask/)
        refusal(() => dmaBitMask(65), 'DMA_INVALID_ARGUMENT')
        dmaSetMaskAndCoherent(device, dmaBitMask(32))
        using region = createDmaRegion(device, { byteLength: 4096 })
        refusal(() => dmaSetMask(device, dmaBitMask(28)), 'DMA_MASK_IN_USE', /before the first/)
        dmaSetCoherentMask(device, dmaBitMask(28))
        assert.equal(device.dmaMask, dmaBitMask(32))
        assert.equal(region.closed, false)
        assert.equal(dmaGetRequiredMask(device), dmaBitMask(32))
        assert.equal(dmaMaxMappingSize(device), 2 ** 32 - 1)
        assert.equal(dmaOptMappingSize(device), 2 ** 32 - 1)
      }))

    it('runs out of addresses below a mask with nothing lost', () =>
      withDevice(host, (device) => {
        device.setMaster()
        dmaSetMask(device, dmaBitMask(14))
        using first = createDmaRegion(device, { byteLength: 8192 })
        using second = createDmaRegion(device, { byteLength: 4096 })
        refusal(() => createDmaRegion(device, { byteLength: 4096 }), 'ENOSPC', /wider mask/)
        first.close()
        using third = createDmaRegion(device, { byteLength: 8192 })
        assert.notEqual(third.dmaAddress, second.dmaAddress)
      }))

    it('registers one memory with a region that outlives its mappings and not its memory', () =>
      withDevice(host, (device) => {
        device.setMaster()
        const memory = allocateDmaMemory({ byteLength: 8192, kernel })
        const region = createDmaRegion(device, { memory })
        using inside = dmaMapSingle(device, memory.bytes.subarray(4096, 4100), ToDevice)
        assert.equal(toNumber(inside.dmaAddress), toNumber(region.dmaAddress) + 4096)
        assert.equal(region.liveMappings, 1)
        memory.close()
        assert.equal(region.closed, true)
        refusal(() => region.mapSingle(0, 1, ToDevice), 'DMA_CLOSED')
        refusal(() => inside.dmaAddress, 'DMA_NOT_MAPPED')
        refusal(() => createDmaRegion(device, { memory }), 'DMA_CLOSED')
      }))
  })
}
