import { DmaError, type Kernel } from '@linux-dma/core'

const PATTERN = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i

/** Where sysfs keeps PCI devices, by address. */
export const PCI_DEVICES = '/sys/bus/pci/devices'

/**
 * A PCI address in the form sysfs has it: lower case, with the domain (0000 where none is given).
 * @throws DMA_INVALID_ARGUMENT
 */
export function parsePciAddress(text: string): string {
  const match = typeof text === 'string' ? PATTERN.exec(text.trim()) : null
  if (!match) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `'${String(text)}' is not a PCI address`, {
      hint: "write domain:bus:device.function in hexadecimal, for example '0000:00:04.0'; 'lspci -D' lists them",
    })
  }
  const [, domain = '0000', bus, device, fn] = match
  return `${domain}:${bus}:${device}.${fn}`.toLowerCase()
}

/** What sysfs knows of a PCI device before it is opened. */
export interface PciDeviceInfo {
  readonly address: string
  /** Name of the bound kernel driver, if any. */
  readonly driver: string | undefined
  /** Number of its IOMMU group, if an IOMMU is on. */
  readonly iommuGroup: string | undefined
  readonly vendorId: number
  readonly deviceId: number
}

/** @throws DMA_NO_DEVICE where there is none at the address */
export function readPciDevice(kernel: Kernel, address: string): PciDeviceInfo {
  const folder = `${PCI_DEVICES}/${address}`
  const number = (file: string) => Number(kernel.readText(`${folder}/${file}`).trim())
  if (!kernel.list(PCI_DEVICES).includes(address)) {
    throw new DmaError('DMA_NO_DEVICE', `there is no PCI device at ${address}`, {
      hint: `'lspci -D' lists the devices; sysfs has ${kernel.list(PCI_DEVICES).join(', ') || 'none'}`,
      path: folder,
    })
  }
  return {
    address,
    driver: linkName(kernel, `${folder}/driver`),
    iommuGroup: linkName(kernel, `${folder}/iommu_group`),
    vendorId: number('vendor'),
    deviceId: number('device'),
  }
}

/** The last part of where a link points; undefined where there is no such link. */
function linkName(kernel: Kernel, path: string): string | undefined {
  try {
    return kernel.readLink(path).split('/').pop()
  } catch {
    return undefined
  }
}

/** Commands that bind a device to vfio-pci, to show in a hint. */
export function bindCommands(address: string, driver: string | undefined): string {
  const folder = `${PCI_DEVICES}/${address}`
  return [
    'as root: modprobe vfio-pci',
    `echo vfio-pci > ${folder}/driver_override`,
    ...(driver ? [`echo ${address} > ${folder}/driver/unbind`] : []),
    `echo ${address} > /sys/bus/pci/drivers_probe`,
  ].join(' && ')
}
