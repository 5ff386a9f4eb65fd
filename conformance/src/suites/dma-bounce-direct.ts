import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  DmaDirection,
  directOps,
  dmaAddressingLimited,
  dmaBitMask,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaSetMaskAndCoherent,
  dmaSyncSingleForCpu,
  toNumber,
} from '@linux-dma/core'
import { withBareDevice } from '../bare-device'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'

const { ToDevice, FromDevice } = DmaDirection
const SEGMENT = 256 * 1024

/** The same on a machine without an IOMMU, whose devices are given physical addresses. */
export function dmaBounceDirect({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = kernel.pageSize

  describe('dma bounce without an IOMMU', () => {
    it('brings to the device what lies in pieces, above its mask or in the heap', () =>
      withHugePages(host, 16, () => {
        const ops = bounceOps(directOps({ unsafePhysicalAddresses: true, kernel, pciAddress: edu }))
        return withBareDevice(host, ops, async (device, registers) => {
          dmaSetMaskAndCoherent(device, dmaBitMask(host.eduAddressBits))
          assert.equal(dmaMaxMappingSize(device) === SEGMENT, dmaAddressingLimited(device))
          using memory = allocateDmaMemory({ byteLength: 64 * page, kernel })
          for (const [out, back] of [
            [new Uint8Array(3000), new Uint8Array(3000)],
            [memory.bytes.subarray(page - 1500, page + 1500), memory.bytes.subarray(9000, 12000)],
            [memory.bytes.subarray(2 * page, 3 * page - 1), memory.bytes.subarray(5 * page, 6 * page - 1)],
          ] as const) {
            fillPattern(out, out.byteOffset & 0xff)
            using there = dmaMapSingle(device, out, ToDevice)
            await transfer(registers, 'to-device', there.dmaAddress, out.byteLength)
            using here = dmaMapSingle(device, back, FromDevice)
            await transfer(registers, 'from-device', here.dmaAddress, back.byteLength)
            const received = dmaSyncSingleForCpu(device, here)
            assert.deepEqual([...received], [...out])
            for (const { dmaAddress, byteLength } of [there, here]) {
              assert.ok(toNumber(dmaAddress) + byteLength <= 2 ** host.eduAddressBits)
            }
          }
          assert.equal(bouncePoolOf(device)?.usedSlots, 0)
        })
      }))
  })
}
