import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { BusSysfs } from '../drivers/bus-sysfs'
import { DriverCore } from '../drivers/driver-core'
import { invalidArgument } from '../errors'
import type { FileSystem } from '../fs/file-system'
import type { PhysicalRange } from '../fs/iomem'
import { textFile } from '../fs/nodes'
import type { IommuGroups } from '../iommu/groups'
import type { KernelDma } from '../iommu/kernel-dma'
import { rangesOf } from '../models/bar-registers'
import type { DeviceModel } from '../models/device-model'
import type { BusParts } from '../pci/function'
import { type PlatformData, PlatformDevice, type PlatformDriver, platformPath } from './device'

/** How a platform device is put into the machine. */
export interface PlatformDeviceOptions {
  /** Name in `/sys/devices/platform`: by default the model's kind in lower case, and a free number: `edu.0`. */
  name?: string
  /** Driver that has the device from the start; null, the default, for none. */
  driver?: 'uio_pdrv_genirq' | 'uio_dmem_genirq' | null
  /** Name of the UIO device; by default the device's own without its number. */
  uioName?: string
  /** Sizes in bytes, 1 or more, of the regions that uio_dmem_genirq allocates. None by default. */
  dynamicRegions?: readonly number[]
  /** Whether the device's interrupt line leads anywhere; true by default. */
  interrupt?: boolean
}

/** What the platform bus needs of its machine. */
export interface PlatformBusParts extends BusParts {
  readonly fs: FileSystem
  /** Absent where there is no IOMMU. */
  readonly groups: IommuGroups | undefined
  /** The DMA of a device that is in no group. */
  readonly makeDma: () => KernelDma
}

/** The platform bus: devices that are where the machine's description says. */
export class PlatformBus {
  readonly parts: PlatformBusParts
  readonly #devices = new Map<string, PlatformDevice>()
  readonly #groups = new Map<PlatformDevice, number>()
  readonly #drivers: DriverCore<PlatformDevice, PlatformDriver>
  readonly #sysfs: BusSysfs<PlatformDevice, PlatformDriver>

  constructor(parts: PlatformBusParts) {
    this.parts = parts
    this.#drivers = new DriverCore(this.#devices, (driver, { address }) => baseName(address) === driver.name)
    this.#sysfs = new BusSysfs(parts.fs, 'platform', this.#drivers, ({ address }) => platformPath(address))
  }

  /** What `/proc/iomem` says of the devices. */
  ranges(): PhysicalRange[] {
    return [...this.#devices.values()].flatMap(rangesOf)
  }

  find(name: string): PlatformDevice | undefined {
    return this.#devices.get(name)
  }

  driver(name: string): PlatformDriver | undefined {
    return this.#drivers.get(name)
  }

  registerDriver(driver: PlatformDriver): void {
    this.#drivers.register(driver)
    this.#sysfs.addDriver(driver)
  }

  /** @throws `DMA_INVALID_ARGUMENT`, and what the driver's probe fails with */
  add(model: DeviceModel, options: PlatformDeviceOptions): PlatformDevice {
    const known = ['name', 'driver', 'uioName', 'dynamicRegions', 'interrupt']
    checkOptionNames(options, known, 'addPlatformDevice')
    const { name = this.#freeName(model), driver: driverName = null, interrupt = true } = options
    checkName(name)
    if (this.#devices.has(name)) invalidArgument(`there is a platform device '${name}' already`)
    const driver = driverName === null ? null : this.#drivers.get(driverName)
    if (driver === undefined) {
      invalidArgument(`no driver of platform devices is called '${String(driverName)}'`)
    }
    if (typeof interrupt !== 'boolean') invalidArgument('interrupt is neither true nor false')
    const device = this.addDevice(name, model, interrupt, checkData(name, options))
    if (driver === null) return device
    try {
      this.bind(driver, device)
    } catch (error) {
      this.remove(model)
      model.detach()
      throw error
    }
    return device
  }

  addDevice(
    name: string,
    model: DeviceModel,
    interrupt: boolean,
    data: PlatformData | undefined,
  ): PlatformDevice {
    const { groups, makeDma } = this.parts
    const group = groups?.free()
    const dma = groups?.dmaOf(group!) ?? makeDma()
    const device = new PlatformDevice(name, model, dma, interrupt, data, this.parts)
    this.#devices.set(name, device)
    groups?.join(group!, dma, name, platformPath(name))
    if (group !== undefined) this.#groups.set(device, group)
    this.parts.fs.put(
      `${platformPath(name)}/modalias`,
      textFile(() => `platform:${baseName(name)}\n`),
    )
    this.#sysfs.addDevice(device)
    return device
  }

  /** Gives a device to a driver, which takes it or fails. */
  bind(driver: PlatformDriver, device: PlatformDevice): void {
    device.driverOverride = driver.name
    this.#drivers.bind(driver, device.address)
    this.#sysfs.refresh()
  }

  /** Takes a device from its driver. */
  unbind(device: PlatformDevice): void {
    this.#drivers.detach(device)
    this.#sysfs.refresh()
  }

  /** Takes a device away. False where it is not on this bus. */
  remove(model: DeviceModel): boolean {
    const device = [...this.#devices.values()].find((one) => one.model === model)
    if (device === undefined) return false
    device.pullOut()
    this.#drivers.detach(device)
    this.#devices.delete(device.address)
    this.#sysfs.removeDevice(device)
    const group = this.#groups.get(device)
    if (group !== undefined) this.parts.groups?.leave(group, device.address)
    this.#groups.delete(device)
    return true
  }

  #freeName(model: DeviceModel): string {
    const base = model.kind.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-') || 'device'
    let number = 0
    while (this.#devices.has(`${base}.${number}`)) number++
    return `${base}.${number}`
  }
}

/** A name without the number that tells devices of a kind apart. */
function baseName(name: string): string {
  return name.replace(/\.\d+$/, '')
}

/** @throws `DMA_INVALID_ARGUMENT` for what is no name of a file */
export function checkName(name: string): void {
  checkText(name, 'name')
  if (name.includes('/') || name === '.' || name === '..') invalidArgument(`'${name}' is no name of a device`)
}

function checkData(name: string, options: PlatformDeviceOptions): PlatformData {
  const { uioName = baseName(name), dynamicRegions = [], driver } = options
  checkText(uioName, 'uioName')
  if (!Array.isArray(dynamicRegions)) invalidArgument('dynamicRegions is no array of sizes in bytes')
  if (dynamicRegions.length > 0 && driver === 'uio_pdrv_genirq') {
    invalidArgument('uio_pdrv_genirq allocates no memory', "let it be driven by 'uio_dmem_genirq'")
  }
  for (const size of dynamicRegions) checkInteger(size, 'size of a dynamic region', 1)
  return { uioName, dynamicRegions }
}
