import { BusSysfs } from '../drivers/bus-sysfs'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode, textFile } from '../fs/nodes'
import { type FileAccess, OpenFile } from '../kernel/open-file'
import type { MappingOwner } from '../memory/mapping'
import type { FakeProcess } from '../process'
import { configBytes } from './config-space'
import { addPciId, type PciDriver, type PciDriverCore } from './drivers'
import type { PciFunction } from './function'
import { ResourceFile } from './resource-file'

/** Lines of `resource`: six BARs, the ROM, six of SR-IOV. */
const resourceLines = 13
const conventionalHeaderBytes = 64

const hexadecimal = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}\n`

/** Where a device is in sysfs. */
export function devicePath(address: string): string {
  return `/sys/devices/pci${address.slice(0, 7)}/${address}`
}

/** The PCI part of sysfs: made once for each machine, and kept up to date as devices and drivers come and go. */
export class PciSysfs {
  readonly #fs: FileSystem
  readonly #owner: MappingOwner
  readonly #drivers: PciDriverCore
  readonly #bus: BusSysfs<PciFunction, PciDriver>

  constructor(fs: FileSystem, owner: MappingOwner, drivers: PciDriverCore) {
    this.#fs = fs
    this.#owner = owner
    this.#drivers = drivers
    this.#bus = new BusSysfs(fs, 'pci', drivers, ({ address }) => devicePath(address))
  }

  addDriver(driver: PciDriver): void {
    this.#bus.addDriver(driver)
    const path = `${this.#bus.driverPath(driver.name)}/new_id`
    this.#bus.putCommand(path, (text) => addPciId(this.#drivers, driver, text))
  }

  addDevice(device: PciFunction): void {
    const path = devicePath(device.address)
    const { identity } = device.model
    const put = (name: string, read: () => string) => this.#fs.put(`${path}/${name}`, textFile(read))
    put('vendor', () => hexadecimal(identity.vendor, 4))
    put('device', () => hexadecimal(identity.device, 4))
    put('class', () => hexadecimal(identity.classCode ?? 0xff0000, 6))
    put('revision', () => hexadecimal(identity.revision ?? 0, 2))
    put('subsystem_vendor', () => hexadecimal(identity.subsystemVendor ?? 0, 4))
    put('subsystem_device', () => hexadecimal(identity.subsystemDevice ?? 0, 4))
    put('resource', () => resourceText(device))
    put('numa_node', () => '-1\n')
    put('irq', () => (device.config.hasInterruptPin ? '11\n' : '0\n'))
    this.#fs.put(
      `${path}/enable`,
      textFile(
        () => `${device.enableCount}\n`,
        (text) => setEnabled(device, text.trim()),
        0o644,
      ),
    )
    this.#fs.put(
      `${path}/config`,
      deviceNode(0o644, (access) => new ConfigFile(`${path}/config`, access, device, this.#owner.process)),
    )
    this.#addResources(device, path)
    this.#bus.addDevice(device)
  }

  removeDevice(device: PciFunction): void {
    this.#bus.removeDevice(device)
  }

  refresh(): void {
    this.#bus.refresh()
  }

  /** `resourceN` of each BAR, and once more with combined writes where it is prefetchable. */
  #addResources(device: PciFunction, path: string): void {
    for (const bar of device.bars) {
      for (const suffix of bar.prefetchable ? ['', '_wc'] : ['']) {
        const name = `${path}/resource${bar.index}${suffix}`
        this.#fs.put(
          name,
          deviceNode(0o600, (access) => new ResourceFile(name, access, device, bar, this.#owner)),
        )
      }
    }
  }
}

/** Writing to `enable`: what pci_enable_device() and pci_disable_device() do for a device without a driver. */
function setEnabled(device: PciFunction, text: string): void {
  if (text !== '0' && text !== '1') fail('EINVAL', 'write 0 or 1')
  if (device.driver !== undefined) fail('EBUSY', `${device.driver} enables the device by itself`)
  if (text === '1') device.enable()
  else if (device.enableCount > 0) device.disable()
  else fail('EIO', 'the device is not enabled')
}

/** Start, end and flags of each resource, as the kernel's `%pR` neighbours print them. */
function resourceText(device: PciFunction): string {
  const wide = (value: bigint) => `0x${value.toString(16).padStart(16, '0')}`
  const lines = Array.from({ length: resourceLines }, (_, index) => {
    const bar = device.bar(index)
    if (bar === undefined) return [0n, 0n, 0n]
    const start = BigInt(bar.address)
    const kind = (bar.addressWidth === 64 ? 0x100004n : 0n) | (bar.prefetchable ? 0x2008n : 0n)
    const flags = bar.kind === 'io' ? 0x40101n : 0x40200n | kind
    return [start, start + BigInt(bar.byteLength) - 1n, flags]
  })
  return lines.map((line) => `${line.map(wide).join(' ')}\n`).join('')
}

/** `config` in sysfs: the first 64 bytes for everybody, all of them with CAP_SYS_ADMIN. */
class ConfigFile extends OpenFile {
  readonly #device: PciFunction
  readonly #process: FakeProcess

  constructor(path: string, access: FileAccess, device: PciFunction, process: FakeProcess) {
    super(path, access)
    this.#device = device
    this.#process = process
  }

  override readAt(bytes: Uint8Array, position: number): number {
    this.#assertThere()
    const end = this.#process.has('CAP_SYS_ADMIN') ? configBytes : conventionalHeaderBytes
    const count = Math.max(0, Math.min(bytes.byteLength, end - position))
    if (count > 0) this.#device.readConfig(position, bytes.subarray(0, count))
    return count
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    this.#assertThere()
    const count = Math.max(0, Math.min(bytes.byteLength, configBytes - position))
    if (count > 0) this.#device.writeConfig(position, bytes.subarray(0, count))
    return count
  }

  #assertThere(): void {
    if (this.#device.removed) fail('ENODEV', `${this.#device.address} was pulled out`)
  }
}
