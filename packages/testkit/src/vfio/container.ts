import { fail } from '../errors'
import { OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import {
  VFIO_CHECK_EXTENSION,
  VFIO_GET_API_VERSION,
  VFIO_SET_IOMMU,
  VFIO_TYPE1_IOMMU,
  VFIO_TYPE1_NESTING_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_UNMAP_ALL,
  VFIO_UPDATE_VADDR,
} from './abi'
import type { VfioGroup } from './group'
import { Type1, type Type1Parts } from './type1'

/** What containers need of their machine. */
export interface ContainerParts extends Type1Parts {
  /** Whether a device's interrupt messages are kept from becoming anything else. */
  readonly interruptsAreSafe: () => boolean
}

const extensions = [VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_NESTING_IOMMU, VFIO_UNMAP_ALL]

/** /dev/vfio/vfio, opened: groups that share one IOMMU address space. It lives on while a group is in it. */
export class VfioContainer extends OpenFile {
  readonly groups = new Set<VfioGroup>()
  readonly #parts: ContainerParts
  #iommu: Type1 | undefined

  constructor(parts: ContainerParts) {
    super('/dev/vfio/vfio')
    this.#parts = parts
  }

  get iommu(): Type1 | undefined {
    return this.#iommu
  }

  override ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case VFIO_GET_API_VERSION:
        return 0
      case VFIO_CHECK_EXTENSION:
        return this.#hasExtension(argument.value) ? 1 : 0
      case VFIO_SET_IOMMU:
        this.#setIommu(argument.value)
        return 0
      default:
        return (
          this.#iommu?.ioctl(request, argument) ??
          fail('EINVAL', 'the container has no IOMMU yet: SET_IOMMU first')
        )
    }
  }

  attach(group: VfioGroup): void {
    if (this.#iommu?.waitsForVaddr) fail('EBUSY', 'the vaddr of a mapping was given up, and is not back')
    if (this.#iommu !== undefined) this.#assertInterruptsAreSafe()
    this.groups.add(group)
  }

  /** The last group to go takes the IOMMU address space with it. */
  detach(group: VfioGroup): void {
    this.groups.delete(group)
    if (this.groups.size > 0) return
    this.#iommu?.release()
    this.#iommu = undefined
  }

  #hasExtension(extension: number): boolean {
    return extensions.includes(extension) || (extension === VFIO_UPDATE_VADDR && this.#iommu !== undefined)
  }

  #setIommu(type: number): void {
    if (this.groups.size === 0) fail('EINVAL', 'the container has no group yet: SET_CONTAINER first')
    if (this.#iommu !== undefined) fail('EINVAL', 'the container has its IOMMU already')
    if (!extensions.includes(type)) fail('ENODEV', `no IOMMU backend of type ${type}`)
    if (type === VFIO_UNMAP_ALL || type === VFIO_TYPE1_NESTING_IOMMU)
      fail('EINVAL', `type ${type} cannot be had`)
    this.#assertInterruptsAreSafe()
    this.#iommu = new Type1(this.#parts, type === VFIO_TYPE1_IOMMU ? 1 : 2)
    for (const group of this.groups) group.refreshPaths()
  }

  #assertInterruptsAreSafe(): void {
    if (this.#parts.interruptsAreSafe()) return
    fail(
      'EPERM',
      'there is no interrupt remapping, so a device could forge interrupts',
      "where that is acceptable: 'echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'",
    )
  }
}
