import type { UioDeviceInfo } from './uio-device-info'

/**
 * Whether an IOMMU changes or refuses the addresses that the device sends. A physical address then means nothing to it: the
 * device reads zeros, its writes go nowhere, and only the kernel's log says so.
 */
export function iommuTranslates({
  iommuGroup,
  iommuType,
}: Pick<UioDeviceInfo, 'iommuGroup' | 'iommuType'>): boolean {
  return iommuGroup !== undefined && iommuType !== 'identity'
}
