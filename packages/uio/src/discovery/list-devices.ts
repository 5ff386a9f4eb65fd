import { assertOptions, DmaError, isDmaError, type Kernel, linuxKernel } from '@linux-dma/core'
import { bindCommands, linkName, readPciBars } from '@linux-dma/pci'
import { iommuTranslates } from './iommu'
import { readMaps } from './maps'
import { readPci } from './pci'
import { readPorts } from './ports'
import { numbersIn, readNumber, readOptional, resolveLink, UIO_CLASS } from './sysfs'
import { SystemMemory } from './system-memory'
import type { UioDeviceInfo } from './uio-device-info'

/** What to do where no device has a UIO driver, with an address to stand for that of the device. */
export function howToGetOne(): string {
  const address = '0000:01:00.0'
  const call = `bindDriver('${address}', 'uio_pci_generic') of @linux-dma/pci`
  const commands = bindCommands(address, 'its driver', 'uio_pci_generic')
  return `give a PCI device to one that nothing of this machine needs ('lspci -D' has the addresses): ${call}, or ${commands}`
}

/**
 * Lists the UIO devices that there are now, by number. Reads sysfs only and needs no privileges. A device that goes away
 * meanwhile is left out.
 * @throws DMA_NATIVE_UNAVAILABLE where no kernel is passed and this is not Linux
 * @example
 * ```ts
 * for (const { path, name, maps } of listUioDevices({ kernel })) console.log(path, name, maps.length)
 * ```
 */
export function listUioDevices(options: { kernel?: Kernel } = {}): UioDeviceInfo[] {
  assertOptions('listUioDevices', options, ['kernel'])
  return devicesAndGone(options.kernel ?? linuxKernel()).devices
}

/** The devices that there are, and why others are left out: what says that one is missing has that as its cause. */
export function devicesAndGone(kernel: Kernel): { devices: UioDeviceInfo[]; gone: unknown } {
  const memory = new SystemMemory(kernel)
  let gone: unknown
  const devices = numbersIn(kernel, UIO_CLASS, 'uio').flatMap((number) => {
    try {
      return [readDevice(kernel, number, memory)]
    } catch (error) {
      if (!isGone(error)) throw error
      gone ??= error
      return []
    }
  })
  return { devices, gone }
}

/**
 * Reads what sysfs knows of one UIO device. Needs no privileges.
 * @param node its name in /dev, such as `uio0`
 * @throws DMA_NO_DEVICE where there is none of that name
 */
export function readUioDevice(kernel: Kernel, node: string): UioDeviceInfo {
  const nodes = numbersIn(kernel, UIO_CLASS, 'uio').map((number) => `uio${number}`)
  let cause: unknown
  try {
    if (nodes.includes(node)) return readDevice(kernel, Number(node.slice(3)), new SystemMemory(kernel))
  } catch (error) {
    if (!isGone(error)) throw error
    cause = error
  }
  const others = nodes.filter((other) => other !== node)
  throw new DmaError('DMA_NO_DEVICE', `there is no UIO device ${node}`, {
    hint: others.length > 0 ? `there are: ${others.join(', ')}` : howToGetOne(),
    path: `${UIO_CLASS}/${node}`,
    cause,
  })
}

/** While a device is being unregistered, some of its attributes are EINVAL and others are not there any more. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENODEV', 'ENXIO', 'EINVAL', 'DMA_NO_DEVICE'].some((code) => isDmaError(error, code))
}

function readDevice(kernel: Kernel, number: number, memory: SystemMemory): UioDeviceInfo {
  const node = `uio${number}`
  const folder = `${UIO_CLASS}/${node}`
  const ownPath = resolveLink(kernel, folder) ?? folder
  const devicePath = resolveLink(kernel, `${ownPath}/device`) ?? ownPath
  const driver = linkName(kernel, `${devicePath}/driver`)
  const iommuGroup = linkName(kernel, `${devicePath}/iommu_group`)
  const iommuType =
    iommuGroup === undefined ? undefined : readOptional(kernel, `${devicePath}/iommu_group/type`)
  const address = pciAddressOf(kernel, devicePath)
  if (address !== undefined && driver === undefined) throw unregistered(node, address)
  const bars = address === undefined ? [] : readPciBars(kernel, address)
  const owner = { driver, translated: iommuTranslates({ iommuGroup, iommuType }) }
  const maps = readMaps(kernel, folder, owner, bars, memory)
  return {
    node,
    number,
    path: `/dev/${node}`,
    driver,
    devicePath,
    iommuGroup,
    iommuType,
    maps,
    ports: readPorts(kernel, folder),
    pci: address === undefined ? undefined : readPci(kernel, address, bars, maps),
    // Last, since these fail once the device is being unregistered, when maps may be missing.
    name: kernel.readText(`${folder}/name`).trim(),
    version: kernel.readText(`${folder}/version`).trim(),
    eventCount: readNumber(kernel, `${folder}/event`),
  }
}

/** The driver made it: it is on its way out where that is not there any more. */
function unregistered(node: string, address: string): DmaError {
  return new DmaError('DMA_NO_DEVICE', `${node} is going away: ${address} was unbound from its driver`, {
    hint: 'listUioDevices() tells which there are; bindDriver() of @linux-dma/pci gives a device to a driver',
  })
}

/** Address of the device behind it, where that is a PCI device. */
function pciAddressOf(kernel: Kernel, devicePath: string): string | undefined {
  if (linkName(kernel, `${devicePath}/subsystem`) !== 'pci') return undefined
  return devicePath.slice(devicePath.lastIndexOf('/') + 1)
}
