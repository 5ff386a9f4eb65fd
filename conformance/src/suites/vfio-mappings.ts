import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaFreeCoherent,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional, None } = DmaDirection

/** The rules of mapping: what is refused, before anything happens. */
export function vfioMappings({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('vfio mappings', () => {
    it('hands out no address while bus mastering is off', () =>
      withDevice(host, (device) => {
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_BUS_MASTER_OFF', /setMaster/)
        refusal(() => createDmaRegion(device, { byteLength: 4096 }), 'DMA_BUS_MASTER_OFF')
        refusal(() => dmaAllocCoherent(device, 64), 'DMA_BUS_MASTER_OFF')
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 4096 })
        using mapping = dmaMapSingle(device, region.bytes, ToDevice)
        using coherent = dmaAllocCoherent(device, 64)
        device.clearMaster()
        refusal(() => mapping.dmaAddress, 'DMA_BUS_MASTER_OFF')
        refusal(() => region.addressAt(0, 1), 'DMA_BUS_MASTER_OFF')
        refusal(() => region.mapSingle(0, 1, ToDevice), 'DMA_BUS_MASTER_OFF')
        refusal(() => coherent.dmaAddress, 'DMA_BUS_MASTER_OFF')
      }))

    it('refuses memory that cannot stay where it is', () =>
      withDevice(host, (device) => {
        device.setMaster()
        const map = (view: unknown) => () => dmaMapSingle(device, view as Uint8Array, ToDevice)
        refusal(map(new Uint8Array(4096)), 'DMA_NOT_DMA_MEMORY', /allocateDmaMemory/)
        refusal(map(Buffer.from('hello')), 'DMA_NOT_DMA_MEMORY')
        refusal(map(new Uint8Array(new SharedArrayBuffer(4096))), 'DMA_NOT_DMA_MEMORY')
        const resizable = new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(64, {
          maxByteLength: 128,
        })
        refusal(map(new Uint8Array(resizable)), 'DMA_RESIZABLE')
        const detached = new Uint8Array(64)
        structuredClone(detached.buffer, { transfer: [detached.buffer] })
        refusal(map(detached), 'DMA_DETACHED')
        for (const nothing of [undefined, null, 5, 'bytes', {}, new ArrayBuffer(8)]) {
          refusal(map(nothing), 'DMA_INVALID_ARGUMENT')
        }
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        refusal(map(memory.bytes.subarray(0, 0)), 'DMA_INVALID_ARGUMENT', undefined)
        const { bytes } = memory
        memory.close()
        refusal(map(bytes), 'DMA_CLOSED')
      }))

    it('believes the engine and not the view about where it lies', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        const view = memory.bytes.subarray(0, 16)
        Object.defineProperty(view, 'byteLength', { value: 65536 })
        Object.defineProperty(view, 'byteOffset', { value: 4096 })
        using mapping = dmaMapSingle(device, view, ToDevice)
        assert.equal(mapping.byteLength, 16)
        using data = dmaMapSingle(
          device,
          new DataView(memory.bytes.buffer, memory.bytes.byteOffset + 8, 8),
          ToDevice,
        )
        assert.equal(data.byteLength, 8)
      }))

    it('lends bytes to no function that goes on after it returned', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 4096 })
        using mapping = dmaMapSingle(device, region.bytes, FromDevice)
        refusal(() => mapping.withCpu(async () => {}), 'DMA_INVALID_ARGUMENT', /syncForCpu/)
        assert.equal(mapping.owner, 'device')
        assert.throws(
          () =>
            mapping.withCpu(() => {
              mapping.unmap()
              throw new Error('from inside')
            }),
          /from inside/,
        )
      }))

    it('refuses memory of another kernel, whose addresses mean something else here', () =>
      withDevice(host, (device) => {
        device.setMaster()
        const other = createFakeMachine().kernel
        using memory = allocateDmaMemory({ byteLength: 4096, kernel: other })
        refusal(
          () => dmaMapSingle(device, memory.bytes, ToDevice),
          'DMA_WRONG_KERNEL',
          /kernel: device\.kernel/,
        )
        refusal(() => createDmaRegion(device, { memory }), 'DMA_WRONG_KERNEL')
      }))

    it('refuses what is no mapping', () =>
      withDevice(host, (device) => {
        for (const nothing of [undefined, null, 5, {}]) {
          refusal(() => dmaUnmapSingle(device, nothing as never), 'DMA_INVALID_ARGUMENT', /dmaMapSingle/)
          refusal(() => dmaSyncSingleForCpu(device, nothing as never), 'DMA_INVALID_ARGUMENT')
        }
      }))

    it('refuses directions that are none', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        for (const direction of [None, 4, -1, '1', undefined]) {
          refusal(
            () => dmaMapSingle(device, memory.bytes, direction as 1),
            'DMA_INVALID_ARGUMENT',
            /DmaDirection/,
          )
        }
      }))

    it('refuses a second unmap, and every use after the first', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 4096 })
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        for (const bytes of [region.bytes, memory.bytes]) {
          const mapping = dmaMapSingle(device, bytes, Bidirectional)
          dmaUnmapSingle(device, mapping)
          refusal(() => dmaUnmapSingle(device, mapping), 'DMA_NOT_MAPPED')
          refusal(() => mapping.dmaAddress, 'DMA_NOT_MAPPED')
          refusal(() => mapping.bytes, 'DMA_NOT_MAPPED')
          refusal(() => dmaSyncSingleForCpu(device, mapping), 'DMA_NOT_MAPPED')
          refusal(() => dmaSyncSingleForDevice(device, mapping), 'DMA_NOT_MAPPED')
          mapping[Symbol.dispose]()
        }
        const handle = region.mapSingle(0, 64, ToDevice)
        region.unmapSingle(handle)
        refusal(() => region.unmapSingle(handle), 'DMA_NOT_MAPPED')
        refusal(() => region.addressOf(handle), 'DMA_NOT_MAPPED')
        refusal(() => region.syncForCpu(handle), 'DMA_NOT_MAPPED')
        region.mapSingle(0, 64, ToDevice)
        refusal(() => region.unmapSingle(handle), 'DMA_NOT_MAPPED')
      }))

    it('keeps the bytes from the CPU while the device owns them', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using region = createDmaRegion(device, { byteLength: 4096 })
        using mapping = dmaMapSingle(device, region.bytes.subarray(0, 1000), FromDevice)
        assert.equal(mapping.owner, 'device')
        refusal(() => mapping.bytes, 'DMA_DEVICE_OWNS', /dmaSyncSingleForCpu/)
        assert.equal(dmaSyncSingleForCpu(device, mapping).byteLength, 1000)
        assert.equal(mapping.owner, 'cpu')
        assert.equal(mapping.bytes.byteLength, 1000)
        dmaSyncSingleForDevice(device, mapping)
        refusal(() => mapping.bytes, 'DMA_DEVICE_OWNS')
        assert.equal(dmaSyncSingleRangeForCpu(device, mapping, 100, 50).byteLength, 50)
        assert.equal(mapping.bytes.byteOffset, region.bytes.byteOffset + 100)
        dmaSyncSingleRangeForDevice(device, mapping, 100, 50)
        refusal(() => dmaSyncSingleRangeForCpu(device, mapping, 990, 11), 'DMA_RANGE')
        assert.throws(() => mapping.withCpu(() => assert.fail('thrown inside')), /thrown inside/)
        assert.equal(mapping.owner, 'device')
      }))

    it('refuses options it does not know', () =>
      withDevice(host, (device) => {
        device.setMaster()
        refusal(
          () => createDmaRegion(device, { bytelength: 4096 } as never),
          'DMA_INVALID_ARGUMENT',
          /byteLength/,
        )
        refusal(() => createDmaRegion(device, {}), 'DMA_INVALID_ARGUMENT')
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        refusal(() => createDmaRegion(device, { memory, hugePageSize: 0x20_0000 }), 'DMA_INVALID_ARGUMENT')
        refusal(
          () => createDmaRegion(device, { byteLength: 4096, expectedMappings: 0 }),
          'DMA_INVALID_ARGUMENT',
        )
        refusal(() => allocateDmaMemory({ byteLength: 0, kernel }), 'DMA_INVALID_ARGUMENT')
        refusal(() => allocateDmaMemory({ byteLength: 1.5, kernel }), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaAllocCoherent(device, -1), 'DMA_INVALID_ARGUMENT')
      }))

    it('tells one device’s mapping from another’s', () =>
      withoutLeaks(host, () => {
        const device = openVfioDevice(host.edu, { kernel })
        device.setMaster()
        const mapping = dmaMapSingle(device, createDmaRegion(device, { byteLength: 4096 }).bytes, ToDevice)
        const coherent = dmaAllocCoherent(device, 1)
        device.close()
        using again = openVfioDevice(host.edu, { kernel })
        refusal(() => dmaUnmapSingle(again, mapping), 'DMA_WRONG_DEVICE')
        refusal(() => dmaFreeCoherent(again, coherent), 'DMA_WRONG_DEVICE')
        refusal(() => dmaUnmapSingle(device, mapping), 'DMA_NOT_MAPPED')
        refusal(() => dmaFreeCoherent(device, coherent), 'DMA_CLOSED')
        refusal(() => dmaAllocCoherent(device, 1), 'DMA_CLOSED')
        refusal(() => dmaMaxMappingSize(device), 'DMA_CLOSED')
      }))

    it('maps and unmaps a thousand times with nothing left', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 65536, kernel })
        for (let i = 0; i < 1000; i++) {
          using _mapping = dmaMapSingle(device, memory.bytes.subarray(i, i + 5000), Bidirectional)
        }
        assert.equal(memory.regions.size, 0)
        assert.equal(device.children.size, 0)
      }))
  })
}
