import { DmaError, explain, explained, type Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import * as vfio from './constants'
import { memlockHint } from './memlock'
import {
  bytesOf,
  capabilities,
  DmaMapArgument,
  DmaUnmapArgument,
  type IommuInfo,
  type IovaRange,
  structure,
} from './structs'

const CONTAINER_PATH = '/dev/vfio/vfio'

/** A VFIO container: one IOMMU address space, which the groups put into it share. */
export class VfioContainer {
  readonly kernel: Kernel
  readonly fd: number
  readonly #mapArgument = new DmaMapArgument()
  readonly #unmapArgument = new DmaUnmapArgument()

  private constructor(kernel: Kernel, fd: number) {
    this.kernel = kernel
    this.fd = fd
  }

  /** @throws ENOENT, EACCES with a hint; DMA_UNSUPPORTED for a kernel without type1v2 */
  static open(kernel: Kernel): VfioContainer {
    const fd = explained(() => kernel.open(CONTAINER_PATH, O_RDWR), {
      ENOENT: () => ({
        message: `${CONTAINER_PATH} is not there: VFIO is not loaded`,
        hint: "as root: 'modprobe vfio-pci'",
      }),
      EACCES: () => ({
        message: `no permission to open ${CONTAINER_PATH}`,
        hint: `as root: 'chmod 0666 ${CONTAINER_PATH}'; by itself the node lets a process reach nothing`,
      }),
    })
    try {
      const version = kernel.ioctl(fd, vfio.VFIO_GET_API_VERSION, 0, 'VFIO_GET_API_VERSION')
      const type1v2 = kernel.ioctl(
        fd,
        vfio.VFIO_CHECK_EXTENSION,
        vfio.VFIO_TYPE1v2_IOMMU,
        'VFIO_CHECK_EXTENSION',
      )
      if (version !== vfio.VFIO_API_VERSION || type1v2 !== 1) {
        throw new DmaError(
          'DMA_UNSUPPORTED',
          `VFIO answers API version ${version}, type1v2 IOMMU ${type1v2 === 1}`,
          {
            hint: "type1v2 comes with the module vfio_iommu_type1: as root 'modprobe vfio_iommu_type1'",
          },
        )
      }
      return new VfioContainer(kernel, fd)
    } catch (error) {
      kernel.close(fd)
      throw error
    }
  }

  /** Chooses the type1v2 IOMMU: once, after the first group was added. @throws EPERM with a hint */
  setIommu(): void {
    const { kernel, fd } = this
    explained(() => kernel.ioctl(fd, vfio.VFIO_SET_IOMMU, vfio.VFIO_TYPE1v2_IOMMU, 'VFIO_SET_IOMMU'), {
      EPERM: () => ({
        message: 'VFIO refuses this IOMMU: it has no interrupt remapping',
        hint:
          'enable interrupt remapping in the firmware (VT-d or AMD-Vi); or accept that a device can forge interrupts, as root: ' +
          "'echo 1 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'",
      }),
    })
  }

  /** VFIO_IOMMU_GET_INFO, with its capability chain. */
  info(): IommuInfo {
    let view = structure(24)
    this.kernel.ioctl(this.fd, vfio.VFIO_IOMMU_GET_INFO, bytesOf(view), 'VFIO_IOMMU_GET_INFO')
    const needed = view.getUint32(0, true)
    if (needed > view.byteLength) {
      view = structure(needed)
      this.kernel.ioctl(this.fd, vfio.VFIO_IOMMU_GET_INFO, bytesOf(view), 'VFIO_IOMMU_GET_INFO')
    }
    const iovaRanges: IovaRange[] = []
    let mappingsAvailable: number | undefined
    for (const { id, offset } of capabilities(view, view.getUint32(16, true))) {
      if (id === vfio.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) mappingsAvailable = view.getUint32(offset + 8, true)
      if (id !== vfio.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) continue
      const count = view.getUint32(offset + 8, true)
      for (let i = 0; i < count; i++) {
        const at = offset + 16 + i * 16
        iovaRanges.push({ first: view.getBigUint64(at, true), last: view.getBigUint64(at + 8, true) })
      }
    }
    return { pageSizes: view.getBigUint64(8, true), iovaRanges, mappingsAvailable }
  }

  /**
   * VFIO_IOMMU_MAP_DMA: pins pages of this process and maps them. The kernel undoes a map that fails half way.
   * @throws ENOMEM at the memory-lock limit, ENOSPC at the limit of mappings, each with a hint; EFAULT, EINVAL, EEXIST
   */
  map(flags: number, address: number, iova: number, byteLength: number): void {
    const { kernel, fd } = this
    const argument = this.#mapArgument.fill(flags, address, iova, byteLength)
    try {
      kernel.ioctl(fd, vfio.VFIO_IOMMU_MAP_DMA, argument, 'VFIO_IOMMU_MAP_DMA')
    } catch (error) {
      throw explain(error, {
        ENOMEM: () => ({
          message: `the kernel cannot pin ${byteLength} bytes for DMA`,
          hint: memlockHint(kernel, byteLength),
        }),
        ENOSPC: () => ({
          message: 'the container has as many mappings as VFIO allows',
          hint: 'map one large region with createDmaRegion() and cut it up; the limit is /sys/module/vfio_iommu_type1/parameters/dma_entry_limit',
        }),
      })
    }
  }

  /**
   * VFIO_IOMMU_UNMAP_DMA of all maps in a range. When it returns, the IOMMU no longer lets the device reach the pages.
   * @param mappedBytes of those maps, which may leave gaps
   */
  unmap(iova: number, byteLength: number, mappedBytes: number): void {
    const argument = this.#unmapArgument
    const bytes = argument.fill(iova, byteLength)
    this.kernel.ioctl(this.fd, vfio.VFIO_IOMMU_UNMAP_DMA, bytes, 'VFIO_IOMMU_UNMAP_DMA')
    // The kernel answers success, with 0 bytes, where nothing was mapped: somebody else unmapped it.
    if (argument.unmapped === mappedBytes) return
    const what = `${argument.unmapped} bytes at 0x${iova.toString(16)}, not ${mappedBytes}`
    throw new DmaError('DMA_NOT_MAPPED', `VFIO unmapped ${what}`)
  }

  close(): void {
    this.kernel.close(this.fd)
  }
}
