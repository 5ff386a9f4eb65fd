import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode, textFile } from '../fs/nodes'
import type { PciDriver } from '../pci/drivers'
import type { PciFunction } from '../pci/function'
import { type ContainerParts, VfioContainer } from './container'
import { type VfioDeviceParts, VfioPciDevice } from './device'
import { GroupFile, VfioGroup } from './group'

/** What VFIO needs of its machine. */
export interface VfioParts extends ContainerParts, VfioDeviceParts {
  readonly fs: FileSystem
}

/** The vfio-pci driver and the groups it serves: `/dev/vfio/vfio`, and `/dev/vfio/N` while a device is bound. */
export class VfioPciDriver implements PciDriver {
  readonly name = 'vfio-pci'
  readonly ids = new Set<string>()
  readonly #parts: VfioParts
  readonly #groups = new Map<number, VfioGroup>()

  constructor(parts: VfioParts) {
    this.#parts = parts
    parts.fs.put(
      '/dev/vfio/vfio',
      deviceNode(0o666, () => new VfioContainer(parts)),
    )
  }

  /** All groups, for the report of leaks. */
  get groups(): Iterable<VfioGroup> {
    return this.#groups.values()
  }

  /** A function was plugged in: its group is the one it shares an IOMMU context with. */
  join(device: PciFunction): void {
    if (device.group === undefined) return
    const group = this.#groups.get(device.group) ?? new VfioGroup(device.group)
    this.#groups.set(device.group, group)
    group.functions.add(device)
    group.refreshPaths()
  }

  /** A function was pulled out, whatever its driver and whoever has it open. */
  leave(device: PciFunction): void {
    const group = device.group === undefined ? undefined : this.#groups.get(device.group)
    // A program that has it open is told, and keeps what it has.
    group?.devices.get(device.address)?.requestRelease()
    group?.functions.delete(device)
    group?.devices.delete(device.address)
    if (group !== undefined) this.#refreshNode(group)
  }

  /** Whether VFIO has the device's group, so that no other driver can have the device. */
  owns(device: PciFunction): boolean {
    return device.group !== undefined && this.#groups.get(device.group)?.container !== undefined
  }

  probe(device: PciFunction): void {
    const group = device.group === undefined ? undefined : this.#groups.get(device.group)
    if (group === undefined) fail('EINVAL', 'the device is in no IOMMU group: there is no IOMMU')
    group.devices.set(device.address, new VfioPciDevice(device, this.#parts))
    this.#refreshNode(group)
  }

  remove(device: PciFunction): void {
    const group = this.#groups.get(device.group!)!
    const bound = group.devices.get(device.address)
    if (bound?.inUse) {
      bound.requestRelease()
      // Linux waits here, in the middle of the write, until the program has closed the device.
      fail('EBUSY', 'a program has the device open; Linux would wait until it is closed')
    }
    group.devices.delete(device.address)
    device.sink = undefined
    this.#refreshNode(group)
  }

  /** The group's node is there while vfio-pci has a device of the group. */
  #refreshNode(group: VfioGroup): void {
    const path = `/dev/vfio/${group.number}`
    const present = this.#parts.fs.list('/dev/vfio').includes(String(group.number))
    if (group.devices.size === 0) this.#parts.fs.remove(path)
    else if (!present) {
      this.#parts.fs.put(
        path,
        deviceNode(0o600, () => new GroupFile(group, this.#parts.descriptors)),
      )
    }
  }
}

/** A driver that VFIO knows nothing about: it holds its devices, and makes their groups unusable for VFIO. */
export function ordinaryDriver(name: string, vfio: VfioPciDriver): PciDriver {
  return {
    name,
    ids: new Set(),
    probe(device) {
      if (vfio.owns(device)) fail('EBUSY', 'VFIO has the IOMMU group of the device')
      device.enable()
    },
    remove: (device) => device.disable(),
  }
}

/** Module parameters that can be read and changed in sysfs. */
export interface Type1Parameters {
  allowUnsafeInterrupts: boolean
  dmaEntryLimit: number
}

/** Puts the parameters of vfio_iommu_type1 into sysfs. */
export function mountType1Parameters(fs: FileSystem, parameters: Type1Parameters): void {
  const path = '/sys/module/vfio_iommu_type1/parameters'
  const setUnsafe = (text: string) => {
    if (!/^[yn01]/i.test(text)) fail('EINVAL', 'write Y or N')
    parameters.allowUnsafeInterrupts = /^[y1]/i.test(text)
  }
  const setLimit = (text: string) => {
    if (!/^\d+\s*$/.test(text)) fail('EINVAL', 'write a number')
    parameters.dmaEntryLimit = Number(text)
  }
  const flag = () => (parameters.allowUnsafeInterrupts ? 'Y\n' : 'N\n')
  fs.put(`${path}/allow_unsafe_interrupts`, textFile(flag, setUnsafe, 0o644))
  fs.put(
    `${path}/dma_entry_limit`,
    textFile(() => `${parameters.dmaEntryLimit}\n`, setLimit, 0o644),
  )
}
