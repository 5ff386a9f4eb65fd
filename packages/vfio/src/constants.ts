/** Numbers of linux/vfio.h, under their own names. */

const request = (number: number) => (';'.charCodeAt(0) << 8) | (100 + number)

export const VFIO_API_VERSION = 0
export const VFIO_GET_API_VERSION = request(0)
export const VFIO_CHECK_EXTENSION = request(1)
export const VFIO_SET_IOMMU = request(2)
export const VFIO_GROUP_GET_STATUS = request(3)
export const VFIO_GROUP_SET_CONTAINER = request(4)
export const VFIO_GROUP_UNSET_CONTAINER = request(5)
export const VFIO_GROUP_GET_DEVICE_FD = request(6)
export const VFIO_DEVICE_GET_INFO = request(7)
export const VFIO_DEVICE_GET_REGION_INFO = request(8)
export const VFIO_DEVICE_GET_IRQ_INFO = request(9)
export const VFIO_DEVICE_SET_IRQS = request(10)
export const VFIO_DEVICE_RESET = request(11)
// The container has numbers of its own, of which these two mean something else on a device.
export const VFIO_IOMMU_GET_INFO = request(12)
export const VFIO_IOMMU_MAP_DMA = request(13)
export const VFIO_IOMMU_UNMAP_DMA = request(14)

export const VFIO_TYPE1v2_IOMMU = 3

export const VFIO_GROUP_FLAGS_VIABLE = 1
export const VFIO_DEVICE_FLAGS_RESET = 1

export const VFIO_REGION_INFO_FLAG_MMAP = 4
export const VFIO_REGION_INFO_FLAG_CAPS = 8
export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1
export const VFIO_PCI_CONFIG_REGION_INDEX = 7

export const VFIO_IRQ_INFO_MASKABLE = 2
export const VFIO_PCI_INTX_IRQ_INDEX = 0
export const VFIO_PCI_MSI_IRQ_INDEX = 1
export const VFIO_PCI_MSIX_IRQ_INDEX = 2
export const VFIO_PCI_REQ_IRQ_INDEX = 4

export const VFIO_IRQ_SET_DATA_NONE = 1
export const VFIO_IRQ_SET_DATA_EVENTFD = 4
export const VFIO_IRQ_SET_ACTION_MASK = 8
export const VFIO_IRQ_SET_ACTION_UNMASK = 16
export const VFIO_IRQ_SET_ACTION_TRIGGER = 32

export const VFIO_DMA_MAP_FLAG_READ = 1
export const VFIO_DMA_MAP_FLAG_WRITE = 2

export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3
