import { DmaError, type Kernel } from '@linux-dma/native'

/** What memory is of which IOMMU type when nothing translates. */
const UNTRANSLATED = 'identity'
const PCI_ADDRESS = /^[0-9a-f]{4,}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/
const SYSFS_DEVICE = /^\/sys\/devices\/(?!.*\/\.\.?(\/|$))[^\0]+$/

/** Where sysfs has a device: one of them, or none where that is taken on trust. */
export interface DevicePlace {
  pciAddress?: string | undefined
  devicePath?: string | undefined
}

/**
 * Refuses a device whose physical addresses would mean nothing, since an IOMMU translates what it accesses.
 * @throws DMA_TRANSLATED; DMA_INVALID_ARGUMENT; ENOENT where there is no such device
 */
export function assertUntranslated(kernel: Kernel, place: DevicePlace): void {
  const folder = folderOf(place)
  if (folder === undefined || !kernel.list(folder).includes('iommu_group')) return
  const type = kernel.readText(`${folder}/iommu_group/type`).trim()
  if (type === UNTRANSLATED) return
  throw new DmaError(
    'DMA_TRANSLATED',
    `an IOMMU translates what ${folder.split('/').pop()} accesses: its domain is of type ${type}, and only one of type ${UNTRANSLATED} does not translate`,
    {
      hint: 'with a physical address it would read zeros and write nowhere, and only the kernel’s log would tell: open it with openVfioDevice() of @linux-dma/vfio; or let devices pass, by iommu=pt on the kernel’s command line',
    },
  )
}

function folderOf({ pciAddress, devicePath }: DevicePlace): string | undefined {
  if (pciAddress !== undefined) {
    assertMatch('pciAddress', pciAddress, PCI_ADDRESS, '0000:00:04.0')
    return `/sys/bus/pci/devices/${pciAddress}`
  }
  if (devicePath !== undefined) {
    assertMatch('devicePath', devicePath, SYSFS_DEVICE, '/sys/devices/platform/edu.0')
  }
  return devicePath
}

function assertMatch(name: string, text: unknown, pattern: RegExp, example: string): void {
  if (typeof text === 'string' && pattern.test(text)) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${name} is '${String(text)}', not like ${example}`)
}
