import { fail } from '../errors'
import type { PciFunction } from './function'

/** A driver of the fake kernel: only vfio-pci does anything; the others just hold their devices. */
export interface PciDriver {
  readonly name: string
  /** Vendor and device ids that `new_id` added. */
  readonly ids: Set<string>
  /** Takes a device, or fails. */
  probe(device: PciFunction): void
  /** Gives a device up, or fails. */
  remove(device: PciFunction): void
}

/** Which driver has which device: the rules of drivers/base/dd.c. */
export class DriverCore {
  readonly #drivers = new Map<string, PciDriver>()
  readonly #devices: ReadonlyMap<string, PciFunction>

  constructor(devices: ReadonlyMap<string, PciFunction>) {
    this.#devices = devices
  }

  get(name: string): PciDriver | undefined {
    return this.#drivers.get(name)
  }

  register(driver: PciDriver): void {
    this.#drivers.set(driver.name, driver)
  }

  /** Writing an address to a driver's `bind`. */
  bind(driver: PciDriver, text: string): void {
    const device = this.#devices.get(text.trim())
    if (device === undefined || !this.#matches(driver, device)) {
      fail('ENODEV', 'no such device, or the driver is not for it: write its driver_override first')
    }
    if (device.driver !== undefined) fail('EBUSY', `${device.address} is bound to ${device.driver}`)
    this.#attach(driver, device)
  }

  /** Writing an address to a driver's `unbind`. */
  unbind(driver: PciDriver, text: string): void {
    const device = this.#devices.get(text.trim())
    if (device?.driver !== driver.name) fail('ENODEV', 'the driver does not have that device')
    this.detach(device)
  }

  /** Writing an address to `drivers_probe`: finding no driver is no failure. */
  probe(text: string): void {
    const device = this.#devices.get(text.trim())
    if (device === undefined) fail('ENODEV', 'no such device')
    if (device.driver !== undefined) return
    for (const driver of this.#drivers.values()) {
      if (!this.#matches(driver, device)) continue
      try {
        this.#attach(driver, device)
        return
      } catch {
        // A driver that refuses leaves the device to the next one.
      }
    }
  }

  /** Writing `vendor device` in hexadecimal to a driver's `new_id`, which also binds what now matches. */
  addId(driver: PciDriver, text: string): void {
    const [vendor, device] = text.trim().split(/\s+/)
    if (!isHexadecimal(vendor) || !isHexadecimal(device)) fail('EINVAL', 'write two hexadecimal numbers')
    const id = `${Number.parseInt(vendor, 16)}:${Number.parseInt(device, 16)}`
    if (driver.ids.has(id)) fail('EEXIST')
    driver.ids.add(id)
    for (const one of this.#devices.values()) {
      if (one.driver === undefined && this.#matches(driver, one)) this.#attach(driver, one)
    }
  }

  /** Takes a device from its driver. */
  detach(device: PciFunction): void {
    const driver = device.driver === undefined ? undefined : this.#drivers.get(device.driver)
    driver?.remove(device)
    device.driver = undefined
  }

  #matches(driver: PciDriver, device: PciFunction): boolean {
    if (device.driverOverride !== undefined) return device.driverOverride === driver.name
    const { vendor, device: id } = device.model.identity
    return driver.ids.has(`${vendor}:${id}`)
  }

  #attach(driver: PciDriver, device: PciFunction): void {
    driver.probe(device)
    device.driver = driver.name
  }
}

function isHexadecimal(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{1,8}$/i.test(text)
}
