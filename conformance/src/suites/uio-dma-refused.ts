import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  DmaDirection,
  dmaAddress,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  physicalAddressAt,
  toNumber,
} from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import { openUio } from '@linux-dma/uio'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { withUioBound } from '../with-uio'

const { ToDevice, FromDevice } = DmaDirection

/** UIO devices behind an IOMMU that translates: no driver has told it of any memory. */
export function uioDmaRefused({ describe, it }: Runner, host: Host): void {
  const { kernel, wideEdu } = host
  const page = kernel.pageSize

  /** What the device's buffer holds, read through VFIO, which has the IOMMU let it through. */
  const withVfio = async (direction: 'to-device' | 'from-device', bytes: Uint8Array): Promise<void> => {
    const before = bindDriver(wideEdu, 'vfio-pci', { kernel })
    try {
      using device = openVfioDevice(wideEdu, { kernel })
      device.setMaster()
      using memory = allocateDmaMemory({ byteLength: page, kernel })
      memory.bytes.set(bytes)
      using mapping = dmaMapSingle(device, memory.bytes, direction === 'to-device' ? ToDevice : FromDevice)
      await transfer(device.bar(0), direction, mapping.dmaAddress, bytes.byteLength)
      bytes.set(mapping.syncForCpu().subarray(0, bytes.byteLength))
    } finally {
      bindDriver(wideEdu, before ?? null, { kernel })
    }
  }

  describe('uio dma behind an IOMMU that translates', () => {
    it('is refused when the device is opened for it', () =>
      withUioBound(host, wideEdu, ({ node }) => {
        const live = { ...kernel.live() }
        const error = refusal(
          () => openUio(node, { kernel, unsafePhysicalAddresses: true }),
          'DMA_TRANSLATED',
          /read zeros and write nowhere.*kernel’s log.*openVfioDevice.*iommu=pt/,
        )
        assert.ok(error.message.includes(wideEdu), error.message)
        assert.deepEqual(kernel.live(), live)
      }))

    it('is refused when it was not asked for', () =>
      withUioBound(host, wideEdu, ({ node }) => {
        using device = openUio(node, { kernel })
        device.setMaster()
        dmaSetMaskAndCoherent(device, dmaBitMask(64))
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_TRANSLATED', /openVfioDevice/)
        refusal(() => device.allocateCoherent(page), 'DMA_TRANSLATED', /openVfioDevice/)
        assert.equal(memory.isPinned(), false)
      }))

    it('would read zeros and write nowhere, by physical addresses', () =>
      withoutLeaks(host, async () => {
        const mark = new Uint8Array(64)
        fillPattern(mark, 77)
        await withVfio('to-device', mark.slice())
        await withUioBound(host, wideEdu, async ({ node }) => {
          using device = openUio(node, { kernel })
          device.setMaster()
          using memory = allocateDmaMemory({ byteLength: page, kernel })
          using _pin = memory.pin()
          const physical = dmaAddress(toNumber(physicalAddressAt(memory, 0)))
          memory.bytes.fill(0x33)
          await transfer(device.bar(0), 'from-device', physical, 64)
          assert.ok(memory.bytes.every((byte) => byte === 0x33))
          await transfer(device.bar(0), 'to-device', physical, 64)
          assert.equal(device.removed.aborted, false)
        })
        const seen = mark.slice()
        await withVfio('from-device', seen)
        assert.deepEqual(seen, new Uint8Array(64))
      }))
  })
}
