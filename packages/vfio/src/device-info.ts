import type { Kernel } from '@linux-dma/core'
import * as vfio from './constants'
import { bytesOf, capabilities, type IrqInfo, type RegionInfo, structure } from './structs'

/** What a device's descriptor says of it. */
export interface VfioDeviceInfo {
  /** PCI address, for errors. */
  readonly address: string
  readonly canReset: boolean
  /** Regions that exist, by index. */
  readonly regions: ReadonlyMap<number, RegionInfo>
  readonly irqs: readonly IrqInfo[]
}

/** VFIO_DEVICE_GET_INFO, and GET_REGION_INFO and GET_IRQ_INFO for each index it names. */
export function readDeviceInfo(kernel: Kernel, fd: number, address: string): VfioDeviceInfo {
  const view = structure(24)
  kernel.ioctl(fd, vfio.VFIO_DEVICE_GET_INFO, bytesOf(view), 'VFIO_DEVICE_GET_INFO')
  const regions = new Map<number, RegionInfo>()
  for (let index = 0; index < view.getUint32(8, true); index++) {
    const region = readRegionInfo(kernel, fd, index)
    if (region && region.byteLength > 0) regions.set(index, region)
  }
  const irqs: IrqInfo[] = []
  for (let index = 0; index < view.getUint32(12, true); index++) {
    const irq = readIrqInfo(kernel, fd, index)
    if (irq) irqs.push(irq)
  }
  return {
    address,
    canReset: (view.getUint32(4, true) & vfio.VFIO_DEVICE_FLAGS_RESET) !== 0,
    regions,
    irqs,
  }
}

/** Undefined for an index that the device does not have, such as VGA, which the kernel answers with EINVAL. Up to the configuration
 * space all have all. */
function readRegionInfo(kernel: Kernel, fd: number, index: number): RegionInfo | undefined {
  const ask = (byteLength: number) => {
    const view = structure(byteLength)
    view.setUint32(8, index, true)
    kernel.ioctl(fd, vfio.VFIO_DEVICE_GET_REGION_INFO, bytesOf(view), 'VFIO_DEVICE_GET_REGION_INFO')
    return view
  }
  return absentIfInvalid(index > vfio.VFIO_PCI_CONFIG_REGION_INDEX, () => {
    let view = ask(32)
    if (view.getUint32(0, true) > view.byteLength) view = ask(view.getUint32(0, true))
    const flags = view.getUint32(4, true)
    const caps =
      flags & vfio.VFIO_REGION_INFO_FLAG_CAPS ? [...capabilities(view, view.getUint32(12, true))] : []
    return {
      index,
      flags,
      byteLength: Number(view.getBigUint64(16, true)),
      position: Number(view.getBigUint64(24, true)),
      sparse: caps.some(({ id }) => id === vfio.VFIO_REGION_INFO_CAP_SPARSE_MMAP),
    }
  })
}

/** Undefined where there is none: every device is asked for INTx, MSI and MSI-X, and says 0 where it has none of a kind. */
function readIrqInfo(kernel: Kernel, fd: number, index: number): IrqInfo | undefined {
  return absentIfInvalid(index > vfio.VFIO_PCI_MSIX_IRQ_INDEX, () => {
    const view = structure(16)
    view.setUint32(8, index, true)
    kernel.ioctl(fd, vfio.VFIO_DEVICE_GET_IRQ_INFO, bytesOf(view), 'VFIO_DEVICE_GET_IRQ_INFO')
    return { index, flags: view.getUint32(4, true), count: view.getUint32(12, true) }
  })
}

function absentIfInvalid<Info>(mayBeAbsent: boolean, ask: () => Info): Info | undefined {
  try {
    return ask()
  } catch (error) {
    if (mayBeAbsent && (error as { code?: string }).code === 'EINVAL') return undefined
    throw error
  }
}
