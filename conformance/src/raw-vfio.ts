import type { Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'

/**
 * VFIO by its bare numbers, written down a second time and independently of the vfio package, so that a wrong number
 * there shows here.
 */
export const ioctls = {
  GET_API_VERSION: 0x3b64,
  CHECK_EXTENSION: 0x3b65,
  SET_IOMMU: 0x3b66,
  GROUP_GET_STATUS: 0x3b67,
  GROUP_SET_CONTAINER: 0x3b68,
  GROUP_UNSET_CONTAINER: 0x3b69,
  GROUP_GET_DEVICE_FD: 0x3b6a,
  DEVICE_GET_INFO: 0x3b6b,
  DEVICE_GET_REGION_INFO: 0x3b6c,
  DEVICE_GET_IRQ_INFO: 0x3b6d,
  DEVICE_SET_IRQS: 0x3b6e,
  DEVICE_RESET: 0x3b6f,
  IOMMU_GET_INFO: 0x3b70,
  IOMMU_MAP_DMA: 0x3b71,
  IOMMU_UNMAP_DMA: 0x3b72,
} as const

export type IoctlName = keyof typeof ioctls

/** One ioctl: its result, or the name of the errno it failed with. */
export function call(
  kernel: Kernel,
  fd: number,
  name: IoctlName,
  argument: Uint8Array | number = 0,
): number | string {
  try {
    return kernel.ioctl(fd, ioctls[name], argument, name)
  } catch (error) {
    return (error as { code: string }).code
  }
}

export function words(...values: number[]): Uint8Array {
  return new Uint8Array(new Int32Array(values).buffer)
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`)
}

/** struct vfio_iommu_type1_dma_map */
export function mapArgument(
  address: number | bigint,
  iova: bigint,
  size: bigint,
  { flags = 3, argsz = 32 }: { flags?: number; argsz?: number } = {},
): Uint8Array {
  const view = new DataView(new ArrayBuffer(32))
  view.setUint32(0, argsz, true)
  view.setUint32(4, flags, true)
  view.setBigUint64(8, BigInt(address), true)
  view.setBigUint64(16, iova, true)
  view.setBigUint64(24, size, true)
  return new Uint8Array(view.buffer)
}

/** VFIO_IOMMU_UNMAP_DMA: the bytes that were unmapped, or the errno. */
export function unmap(
  kernel: Kernel,
  container: number,
  iova: bigint,
  size: bigint,
  flags = 0,
): bigint | string {
  const view = new DataView(new ArrayBuffer(24))
  view.setUint32(0, 24, true)
  view.setUint32(4, flags, true)
  view.setBigUint64(8, iova, true)
  view.setBigUint64(16, size, true)
  const result = call(kernel, container, 'IOMMU_UNMAP_DMA', new Uint8Array(view.buffer))
  return typeof result === 'string' ? result : view.getBigUint64(16, true)
}

/** Opens container, group and device by hand, in the usual order, and closes what a test left open. */
export async function withContainer(
  kernel: Kernel,
  address: string,
  test: (fds: { container: number; group: number; device: number }) => void | Promise<void>,
): Promise<void> {
  const container = kernel.open('/dev/vfio/vfio', O_RDWR)
  const group = kernel.open(groupPath(kernel, address), O_RDWR)
  kernel.ioctl(group, ioctls.GROUP_SET_CONTAINER, words(container))
  kernel.ioctl(container, ioctls.SET_IOMMU, 3)
  const device = kernel.ioctl(group, ioctls.GROUP_GET_DEVICE_FD, text(address))
  try {
    await test({ container, group, device })
  } finally {
    for (const fd of [device, group, container]) closeIfOpen(kernel, fd)
  }
}

function closeIfOpen(kernel: Kernel, fd: number): void {
  try {
    kernel.close(fd)
  } catch (error) {
    if ((error as { code?: string }).code !== 'EBADF') throw error
  }
}

export function groupPath(kernel: Kernel, address: string): string {
  return `/dev/vfio/${kernel.readLink(`/sys/bus/pci/devices/${address}/iommu_group`).split('/').pop()}`
}
