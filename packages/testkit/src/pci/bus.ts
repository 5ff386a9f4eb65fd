import { checkInteger } from '../arguments'
import { DriverCore } from '../drivers/driver-core'
import { invalidArgument } from '../errors'
import type { FileSystem } from '../fs/file-system'
import type { PhysicalRange } from '../fs/iomem'
import type { PortSpace } from '../io/port-space'
import type { IommuGroups } from '../iommu/groups'
import type { KernelDma } from '../iommu/kernel-dma'
import type { MappingOwner } from '../memory/mapping'
import { rangesOf } from '../models/bar-registers'
import type { DeviceModel } from '../models/device-model'
import { ordinaryDriver, type VfioPciDriver } from '../vfio/driver'
import { knowsPciDevice, type PciDriver, type PciDriverCore } from './drivers'
import { type BusParts, PciFunction } from './function'
import { IoBar } from './io-bar'
import { devicePath, PciSysfs } from './sysfs'

const addressForm = /^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/
/** Drivers that take only what they are told to take, by driver_override. */
const unselective = ['vfio-pci', 'uio_pci_generic']

/** Where a device is plugged in: see `AddDeviceOptions`. */
export interface PciPlace {
  readonly address?: string | undefined
  readonly driver?: string | null | undefined
  readonly group?: number | undefined
}

/** What the PCI bus needs of its machine. */
export interface PciBusParts extends BusParts {
  readonly fs: FileSystem
  readonly owner: MappingOwner
  readonly vfio: VfioPciDriver
  readonly ports: PortSpace
  /** Absent where there is no IOMMU. */
  readonly groups: IommuGroups | undefined
  /** The DMA of a device that is in no group. */
  readonly makeDma: () => KernelDma
}

/** The PCI bus: which devices are plugged in, in which IOMMU groups, with which drivers. */
export class PciBus {
  readonly #parts: PciBusParts
  readonly #functions = new Map<string, PciFunction>()
  readonly #drivers: PciDriverCore
  readonly #sysfs: PciSysfs

  constructor(parts: PciBusParts) {
    this.#parts = parts
    this.#drivers = new DriverCore(this.#functions, knowsPciDevice)
    this.#sysfs = new PciSysfs(parts.fs, parts.owner, this.#drivers)
  }

  find(address: string): PciFunction | undefined {
    return this.#functions.get(address)
  }

  /** What `/proc/iomem` says of the devices. */
  ranges(): PhysicalRange[] {
    return [...this.#functions.values()].flatMap(rangesOf)
  }

  registerDriver(driver: PciDriver): void {
    this.#drivers.register(driver)
    this.#sysfs.addDriver(driver)
  }

  /** @throws `DMA_INVALID_ARGUMENT`, and what the driver's probe fails with */
  add(model: DeviceModel, place: PciPlace): void {
    const { groups } = this.#parts
    const hasIommu = groups !== undefined
    const { address = this.#freeAddress(), driver = hasIommu ? 'vfio-pci' : null } = place
    if (!addressForm.test(address)) {
      invalidArgument(`'${address}' is no PCI address`, "write it in full, in lower case: '0000:00:04.0'")
    }
    if (this.#functions.has(address)) invalidArgument(`there is a device at ${address} already`)
    if (driver === 'vfio-pci' && !hasIommu)
      invalidArgument('vfio-pci takes no device where there is no IOMMU')
    if (place.group !== undefined) checkInteger(place.group, 'group', 0, 0xffff)
    const group = place.group ?? groups?.free()
    const dma = groups?.dmaOf(group!) ?? this.#parts.makeDma()
    const device = new PciFunction(address, model, hasIommu ? group : undefined, dma, this.#parts)
    this.#functions.set(address, device)
    groups?.join(group!, dma, address, devicePath(address))
    for (const bar of device.bars)
      if (bar.kind === 'io') this.#parts.ports.add(new IoBar(device, bar), device)
    this.#parts.vfio.join(device)
    this.#sysfs.addDevice(device)
    if (driver === null) return
    try {
      this.#bindAtStart(device, driver)
    } catch (error) {
      this.remove(model)
      model.detach()
      throw error
    }
  }

  /** Pulls a device out. False where it is not on this bus. */
  remove(model: DeviceModel): boolean {
    const device = [...this.#functions.values()].find((one) => one.model === model)
    if (device === undefined) return false
    device.pullOut()
    const { driver } = device
    // vfio-pci would wait for the program: the device is gone from under it.
    if (driver !== undefined && driver !== this.#parts.vfio.name) this.#drivers.detach(device)
    this.#functions.delete(device.address)
    this.#parts.ports.removeOf(device)
    this.#sysfs.removeDevice(device)
    if (device.group !== undefined) this.#parts.groups?.leave(device.group, device.address)
    this.#parts.vfio.leave(device)
    return true
  }

  #bindAtStart(device: PciFunction, name: string): void {
    let driver = this.#drivers.get(name)
    if (driver === undefined) {
      driver = ordinaryDriver(name, this.#parts.vfio)
      this.registerDriver(driver)
    }
    if (unselective.includes(name)) device.driverOverride = name
    else driver.ids.add(`${device.model.identity.vendor}:${device.model.identity.device}`)
    this.#drivers.bind(driver, device.address)
    this.#sysfs.refresh()
  }

  #freeAddress(): string {
    for (let slot = 4; slot < 32; slot++) {
      const address = `0000:00:${slot.toString(16).padStart(2, '0')}.0`
      if (!this.#functions.has(address)) return address
    }
    return invalidArgument('the bus is full', 'give addresses on another bus: 0000:01:00.0')
  }
}
