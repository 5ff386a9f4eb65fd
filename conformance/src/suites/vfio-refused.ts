import { openVfioDevice } from '@linux-dma/vfio'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const parameter = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'

/** A machine whose IOMMU cannot remap interrupts. */
export function vfioWithoutRemapping({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host

  describe('vfio without interrupt remapping', () => {
    it('says what is missing, and what accepting it risks', () =>
      withoutLeaks(host, () => {
        refusal(() => openVfioDevice(edu, { kernel }), 'EPERM', /forge interrupts.*allow_unsafe_interrupts/)
      }))

    it('opens once the administrator accepts that', () =>
      withoutLeaks(host, async () => {
        kernel.writeText(parameter, 'Y')
        try {
          await withDevice(host, (device) => device.setMaster())
        } finally {
          kernel.writeText(parameter, 'N')
        }
      }))
  })
}

/** A machine without an IOMMU. */
export function vfioWithoutIommu({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host

  describe('vfio without an IOMMU', () => {
    it('says that there is none, and how to switch one on', () =>
      withoutLeaks(host, () => {
        refusal(() => openVfioDevice(edu, { kernel }), 'DMA_NO_IOMMU', /intel_iommu=on/)
      }))
  })
}
