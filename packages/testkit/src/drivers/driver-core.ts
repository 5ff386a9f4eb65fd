import { fail } from '../errors'

/** A device on a bus of the fake machine. */
export interface BusDevice {
  /** What the bus calls it. */
  readonly address: string
  /** Name of the driver that is bound. */
  driver: string | undefined
  driverOverride: string | undefined
}

/** A driver of the fake kernel. */
export interface BusDriver<Device> {
  readonly name: string
  /** Takes a device, or fails. */
  probe(device: Device): void
  /** Gives a device up, or fails. */
  remove(device: Device): void
}

/** Which driver of a bus has which device: the rules of drivers/base/dd.c. */
export class DriverCore<Device extends BusDevice, Driver extends BusDriver<Device>> {
  readonly #drivers = new Map<string, Driver>()
  readonly #devices: ReadonlyMap<string, Device>
  readonly #knows: (driver: Driver, device: Device) => boolean

  /** `knows`: whether a driver is for a device that nobody has given a driver by name. */
  constructor(devices: ReadonlyMap<string, Device>, knows: (driver: Driver, device: Device) => boolean) {
    this.#devices = devices
    this.#knows = knows
  }

  get(name: string): Driver | undefined {
    return this.#drivers.get(name)
  }

  get devices(): Iterable<Device> {
    return this.#devices.values()
  }

  register(driver: Driver): void {
    this.#drivers.set(driver.name, driver)
  }

  /** Writing a device's name to a driver's `bind`. */
  bind(driver: Driver, text: string): void {
    const device = this.#devices.get(text.trim())
    if (device === undefined || !this.#matches(driver, device)) {
      fail('ENODEV', 'no such device, or the driver is not for it: write its driver_override first')
    }
    if (device.driver !== undefined) fail('EBUSY', `${device.address} is bound to ${device.driver}`)
    this.#attach(driver, device)
  }

  /** Writing a device's name to a driver's `unbind`. */
  unbind(driver: Driver, text: string): void {
    const device = this.#devices.get(text.trim())
    if (device?.driver !== driver.name) fail('ENODEV', 'the driver does not have that device')
    this.detach(device)
  }

  /** Writing a device's name to `drivers_probe`: finding no driver is no failure. */
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

  /** Gives a driver all the devices without one that it now matches. */
  attachAll(driver: Driver): void {
    for (const device of this.#devices.values()) {
      if (device.driver === undefined && this.#matches(driver, device)) this.#attach(driver, device)
    }
  }

  /** Takes a device from its driver. */
  detach(device: Device): void {
    const driver = device.driver === undefined ? undefined : this.#drivers.get(device.driver)
    driver?.remove(device)
    device.driver = undefined
  }

  #matches(driver: Driver, device: Device): boolean {
    if (device.driverOverride !== undefined) return device.driverOverride === driver.name
    return this.#knows(driver, device)
  }

  #attach(driver: Driver, device: Device): void {
    driver.probe(device)
    device.driver = driver.name
  }
}
