import { DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import { PCI_DEVICES } from './pci-address'

/** What sysfs tells everybody of a PCI device. */
export interface PciDeviceInfo {
  readonly address: string
  readonly vendorId: number
  readonly deviceId: number
  /** Class, subclass and programming interface: 24 bits. */
  readonly classCode: number
  /** Name of the bound kernel driver, if any. */
  readonly driver: string | undefined
  /** Number of its IOMMU group, if an IOMMU is on. */
  readonly iommuGroup: string | undefined
  /** How the IOMMU treats the group: `identity` lets all addresses pass; `DMA`, `DMA-FQ` and `blocked` do not. */
  readonly iommuType: string | undefined
}

/**
 * Reads what sysfs knows of a device. Needs no privileges.
 * @param address as sysfs has it: {@link parsePciAddress}
 * @throws DMA_NO_DEVICE where there is none at the address; ENOENT where it goes away meanwhile
 * @example
 * ```ts
 * const { driver, iommuType } = readPciDevice(kernel, '0000:00:04.0')
 * ```
 */
export function readPciDevice(kernel: Kernel, address: string): PciDeviceInfo {
  const folder = `${PCI_DEVICES}/${address}`
  const number = (file: string) => Number(kernel.readText(`${folder}/${file}`).trim())
  if (!kernel.list(PCI_DEVICES).includes(address)) {
    throw new DmaError('DMA_NO_DEVICE', `there is no PCI device at ${address}`, {
      hint: `'lspci -D' lists the devices; sysfs has ${kernel.list(PCI_DEVICES).join(', ') || 'none'}`,
      path: folder,
    })
  }
  const iommuGroup = linkName(kernel, `${folder}/iommu_group`)
  return {
    address,
    vendorId: number('vendor'),
    deviceId: number('device'),
    classCode: number('class'),
    driver: linkName(kernel, `${folder}/driver`),
    iommuGroup,
    iommuType: iommuGroup === undefined ? undefined : readType(kernel, folder),
  }
}

/** Kernels before 4.19 do not tell. */
function readType(kernel: Kernel, folder: string): string | undefined {
  try {
    return kernel.readText(`${folder}/iommu_group/type`).trim()
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return undefined
    throw error
  }
}

/** The last part of where a link points; undefined where there is no such link. */
export function linkName(kernel: Kernel, path: string): string | undefined {
  try {
    return kernel.readLink(path).split('/').pop()
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return undefined
    throw error
  }
}
