import { DmaError, explained, isDmaError, type Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { readPciDevice } from '@linux-dma/pci'
import * as vfio from './constants'
import type { VfioContainer } from './container'
import { bytesOf, structure } from './structs'

/** A VFIO group: the devices that the IOMMU cannot tell apart, which one process gets together or not at all. */
export class VfioGroup {
  readonly kernel: Kernel
  readonly number: string
  readonly fd: number
  #inContainer = false

  private constructor(kernel: Kernel, number: string, fd: number) {
    this.kernel = kernel
    this.number = number
    this.fd = fd
  }

  /** @throws EACCES, EBUSY, ENOENT with a hint; DMA_GROUP_NOT_VIABLE */
  static open(kernel: Kernel, number: string): VfioGroup {
    const path = `/dev/vfio/${number}`
    const fd = explained(() => kernel.open(path, O_RDWR), {
      EACCES: () => ({
        message: `no permission to open ${path}`,
        hint:
          `as root, once: 'chown "$USER" ${path}'; for good, a udev rule: ` +
          `SUBSYSTEM=="vfio", KERNEL=="${number}", GROUP="vfio", MODE="0660". Root is not needed after that`,
      }),
      EBUSY: () => ({
        message: `VFIO group ${number} is open elsewhere`,
        hint: `one process has a group at a time, through one open: 'fuser -v ${path}' shows who; in this process, close the device first`,
      }),
      ENOENT: () => ({
        message: `${path} is not there`,
        hint: "as root: 'modprobe vfio-pci', then bind the device to vfio-pci",
      }),
    })
    try {
      assertViable(kernel, number, fd)
      return new VfioGroup(kernel, number, fd)
    } catch (error) {
      kernel.close(fd)
      throw error
    }
  }

  /** VFIO_GROUP_SET_CONTAINER */
  join(container: VfioContainer): void {
    const argument = new DataView(new ArrayBuffer(4))
    argument.setInt32(0, container.fd, true)
    this.kernel.ioctl(this.fd, vfio.VFIO_GROUP_SET_CONTAINER, bytesOf(argument), 'VFIO_GROUP_SET_CONTAINER')
    this.#inContainer = true
  }

  /** VFIO_GROUP_GET_DEVICE_FD: a descriptor of the device at a PCI address. */
  openDevice(address: string): number {
    const name = new TextEncoder().encode(`${address}\0`)
    return this.kernel.ioctl(this.fd, vfio.VFIO_GROUP_GET_DEVICE_FD, name, 'VFIO_GROUP_GET_DEVICE_FD')
  }

  /** Leaves the container and closes the group, after its devices and all mappings of their registers. */
  close(): void {
    try {
      if (this.#inContainer) this.#leaveContainer()
    } finally {
      this.kernel.close(this.fd)
    }
  }

  #leaveContainer(): void {
    try {
      this.kernel.ioctl(this.fd, vfio.VFIO_GROUP_UNSET_CONTAINER, 0, 'VFIO_GROUP_UNSET_CONTAINER')
    } catch (error) {
      // It is in none: when the last device of a group is unbound, the kernel takes the group out itself.
      if (!isDmaError(error, 'EINVAL')) throw error
    }
  }
}

function assertViable(kernel: Kernel, number: string, fd: number): void {
  const status = structure(8)
  kernel.ioctl(fd, vfio.VFIO_GROUP_GET_STATUS, bytesOf(status), 'VFIO_GROUP_GET_STATUS')
  if (status.getUint32(4, true) & vfio.VFIO_GROUP_FLAGS_VIABLE) return
  const members = kernel
    .list(`/sys/kernel/iommu_groups/${number}/devices`)
    .map((address) => ({ address, driver: readPciDevice(kernel, address).driver }))
  const listed = members.map(({ address, driver }) => `${address} (${driver ?? 'no driver'})`).join(', ')
  throw new DmaError(
    'DMA_GROUP_NOT_VIABLE',
    `IOMMU group ${number} cannot be used as it is bound now: ${listed}`,
    {
      hint: 'bind every device of the group to vfio-pci or to no driver, or put the card into a slot with a group of its own',
    },
  )
}
