import type { FileSystem } from '../fs/file-system'
import { directory, textFile } from '../fs/nodes'
import type { BusDevice, BusDriver, DriverCore } from './driver-core'

/** The part of sysfs that every bus has: its devices, its drivers, and which has which. */
export class BusSysfs<Device extends BusDevice, Driver extends BusDriver<Device>> {
  readonly #fs: FileSystem
  readonly #bus: string
  readonly #core: DriverCore<Device, Driver>
  readonly #pathOf: (device: Device) => string
  /** The driver that each device's links name. */
  readonly #linked = new Map<Device, string>()

  /** `pathOf`: the directory of a device, which the bus itself makes. */
  constructor(
    fs: FileSystem,
    bus: string,
    core: DriverCore<Device, Driver>,
    pathOf: (device: Device) => string,
  ) {
    this.#fs = fs
    this.#bus = bus
    this.#core = core
    this.#pathOf = pathOf
    fs.put(`/sys/bus/${bus}/devices`, directory())
    fs.put(`/sys/bus/${bus}/drivers`, directory())
    this.putCommand(`/sys/bus/${bus}/drivers_probe`, (text) => core.probe(text))
  }

  /** A file that is written to, which may change who has which device. */
  putCommand(path: string, run: (text: string) => void): void {
    const write = (text: string) => {
      run(text)
      this.refresh()
    }
    this.#fs.put(path, textFile(undefined, write))
  }

  addDriver(driver: Driver): void {
    const path = this.driverPath(driver.name)
    this.putCommand(`${path}/bind`, (text) => this.#core.bind(driver, text))
    this.putCommand(`${path}/unbind`, (text) => this.#core.unbind(driver, text))
  }

  driverPath(name: string): string {
    return `/sys/bus/${this.#bus}/drivers/${name}`
  }

  /** Puts what every device's directory has, beside what its bus puts there. */
  addDevice(device: Device): void {
    const path = this.#pathOf(device)
    const override = (text: string) => {
      device.driverOverride = text.replace(/\n.*$/s, '') || undefined
    }
    this.#fs.put(
      `${path}/driver_override`,
      textFile(() => `${device.driverOverride ?? '(null)'}\n`, override, 0o644),
    )
    this.#fs.link(`${path}/subsystem`, `/sys/bus/${this.#bus}`)
    this.#fs.link(`/sys/bus/${this.#bus}/devices/${device.address}`, path)
    this.refresh()
  }

  removeDevice(device: Device): void {
    this.#link(device, undefined)
    this.#fs.remove(`/sys/bus/${this.#bus}/devices/${device.address}`)
    this.#fs.remove(this.#pathOf(device))
  }

  /** Makes the links between devices and drivers say what is so. */
  refresh(): void {
    for (const device of this.#core.devices) this.#link(device, device.driver)
  }

  #link(device: Device, driver: string | undefined): void {
    const before = this.#linked.get(device)
    if (before === driver) return
    const path = this.#pathOf(device)
    if (before !== undefined) {
      this.#fs.remove(`${this.driverPath(before)}/${device.address}`)
      this.#fs.remove(`${path}/driver`)
      this.#linked.delete(device)
    }
    if (driver === undefined) return
    this.#fs.link(`${this.driverPath(driver)}/${device.address}`, path)
    this.#fs.link(`${path}/driver`, this.driverPath(driver))
    this.#linked.set(device, driver)
  }
}
