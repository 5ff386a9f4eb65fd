import { fail } from '../errors'
import type { DescriptorTable } from '../kernel/descriptor-table'
import { OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import type { PciFunction } from '../pci/function'
import {
  VFIO_GROUP_FLAGS_CONTAINER_SET,
  VFIO_GROUP_FLAGS_VIABLE,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_GROUP_UNSET_CONTAINER,
} from './abi'
import { VfioContainer } from './container'
import type { VfioPciDevice } from './device'

/** Longest device name that the kernel takes from a program. */
const nameLimit = 4096

/** An IOMMU group: functions that the IOMMU cannot tell apart, which go to VFIO together or not at all. */
export class VfioGroup {
  /** Every function of the group, whatever its driver. */
  readonly functions = new Set<PciFunction>()
  /** Those bound to vfio-pci. */
  readonly devices = new Map<string, VfioPciDevice>()
  container: VfioContainer | undefined
  openFile: GroupFile | undefined

  constructor(readonly number: number) {}

  /** Whether no other driver has a device of the group. */
  get viable(): boolean {
    return [...this.functions].every(({ driver }) => driver === undefined || driver === 'vfio-pci')
  }

  get devicesInUse(): boolean {
    return [...this.devices.values()].some((device) => device.inUse)
  }

  /** Leads the DMA of all functions through the container's address space, or back to where it was. */
  refreshPaths(): void {
    for (const one of this.functions) one.path = this.container?.iommu?.table ?? one.dma
  }

  leaveContainer(): void {
    this.container?.detach(this)
    this.container = undefined
    this.refreshPaths()
  }
}

/** /dev/vfio/N, opened: one at a time. Devices opened through it keep it open. */
export class GroupFile extends OpenFile {
  readonly #group: VfioGroup
  readonly #descriptors: DescriptorTable

  constructor(group: VfioGroup, descriptors: DescriptorTable) {
    super(`/dev/vfio/${group.number}`)
    if (group.openFile !== undefined) fail('EBUSY', 'the group is open already')
    this.#group = group
    this.#descriptors = descriptors
    group.openFile = this
  }

  override ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case VFIO_GROUP_GET_STATUS:
        this.#getStatus(argument)
        return 0
      case VFIO_GROUP_SET_CONTAINER:
        this.#setContainer(argument)
        return 0
      case VFIO_GROUP_UNSET_CONTAINER:
        this.#unsetContainer()
        return 0
      case VFIO_GROUP_GET_DEVICE_FD:
        return this.#openDevice(argument)
      default:
        return fail('ENOTTY')
    }
  }

  protected override onRelease(): void {
    this.#group.leaveContainer()
    this.#group.openFile = undefined
  }

  #getStatus(argument: UserMemory): void {
    const { view } = argument.sized(8)
    const { container, viable } = this.#group
    const set = container === undefined ? 0 : VFIO_GROUP_FLAGS_CONTAINER_SET
    view.setUint32(4, set | (set || viable ? VFIO_GROUP_FLAGS_VIABLE : 0), true)
  }

  #setContainer(argument: UserMemory): void {
    const descriptor = argument.view(4).getInt32(0, true)
    if (descriptor < 0) fail('EINVAL', `descriptor ${descriptor}`)
    const container = this.#descriptors.get(descriptor)
    if (this.#group.container !== undefined) fail('EINVAL', 'the group is in a container already')
    if (!(container instanceof VfioContainer)) fail('EBADFD', `${container.path} is no VFIO container`)
    if (!this.#group.viable) fail('EPERM', 'a device of the group is bound to another driver')
    container.attach(this.#group)
    this.#group.container = container
    this.#group.refreshPaths()
  }

  #unsetContainer(): void {
    if (this.#group.container === undefined) fail('EINVAL', 'the group is in no container')
    if (this.#group.devicesInUse)
      fail('EBUSY', 'a device of the group, or a mapping of its registers, is open')
    this.#group.leaveContainer()
  }

  #openDevice(argument: UserMemory): number {
    const name = argument.text(nameLimit)
    const device = this.#group.devices.get(name)
    if (device === undefined)
      return fail('ENODEV', `'${name}' is no vfio-pci device of group ${this.#group.number}`)
    if (this.#group.container?.iommu === undefined) fail('EINVAL', 'the group has no container with an IOMMU')
    this.#descriptors.reserve(1)
    return this.#descriptors.install(device.open(this))
  }
}
