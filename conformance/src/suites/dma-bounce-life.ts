import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  dmaMapSingle,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { bouncing } from '../bouncing'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

type Resizable = ArrayBuffer & { resize(byteLength: number): void }

/** 64 bytes that can grow to 128: the compiler's library does not know of such yet. */
function resizable(): Resizable {
  const make = ArrayBuffer as unknown as new (byteLength: number, options: object) => Resizable
  return new make(64, { maxByteLength: 128 })
}

/** What ends a mapping that is bounced, and what is refused from then on. */
export function dmaBounceLife({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  describe('dma bounce life', () => {
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
  })
}
