/** Numbers of linux/vfio.h, under the kernel's own names. */

const request = (number: number) => (';'.charCodeAt(0) << 8) | (100 + number)

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
export const VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = request(12)
export const VFIO_DEVICE_PCI_HOT_RESET = request(13)
export const VFIO_DEVICE_IOEVENTFD = request(16)
export const VFIO_DEVICE_FEATURE = request(17)
// The container counts on from the same number as the device does.
export const VFIO_IOMMU_GET_INFO = request(12)
export const VFIO_IOMMU_MAP_DMA = request(13)
export const VFIO_IOMMU_UNMAP_DMA = request(14)
export const VFIO_IOMMU_DIRTY_PAGES = request(17)

export const VFIO_TYPE1_IOMMU = 1
export const VFIO_TYPE1v2_IOMMU = 3
export const VFIO_TYPE1_NESTING_IOMMU = 6
export const VFIO_UNMAP_ALL = 9
export const VFIO_UPDATE_VADDR = 10

export const VFIO_GROUP_FLAGS_VIABLE = 1
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 2
export const VFIO_DEVICE_FLAGS_RESET = 1
export const VFIO_DEVICE_FLAGS_PCI = 2

export const VFIO_DEVICE_FEATURE_GET = 1 << 16
export const VFIO_DEVICE_FEATURE_SET = 1 << 17
export const VFIO_DEVICE_FEATURE_PROBE = 1 << 18
export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3
export const VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5

export const VFIO_REGION_INFO_FLAG_READ = 1
export const VFIO_REGION_INFO_FLAG_WRITE = 2
export const VFIO_REGION_INFO_FLAG_MMAP = 4
export const VFIO_REGION_INFO_FLAG_CAPS = 8
export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3

export const VFIO_PCI_ROM_REGION_INDEX = 6
export const VFIO_PCI_CONFIG_REGION_INDEX = 7
export const VFIO_PCI_NUM_REGIONS = 9

export const VFIO_PCI_INTX_IRQ_INDEX = 0
export const VFIO_PCI_MSI_IRQ_INDEX = 1
export const VFIO_PCI_MSIX_IRQ_INDEX = 2
export const VFIO_PCI_ERR_IRQ_INDEX = 3
export const VFIO_PCI_REQ_IRQ_INDEX = 4
export const VFIO_PCI_NUM_IRQS = 5

export const VFIO_IRQ_INFO_EVENTFD = 1
export const VFIO_IRQ_INFO_MASKABLE = 2
export const VFIO_IRQ_INFO_AUTOMASKED = 4
export const VFIO_IRQ_INFO_NORESIZE = 8

export const VFIO_IRQ_SET_DATA_NONE = 1
export const VFIO_IRQ_SET_DATA_BOOL = 2
export const VFIO_IRQ_SET_DATA_EVENTFD = 4
export const VFIO_IRQ_SET_ACTION_MASK = 8
export const VFIO_IRQ_SET_ACTION_UNMASK = 16
export const VFIO_IRQ_SET_ACTION_TRIGGER = 32

export const VFIO_DMA_MAP_FLAG_READ = 1
export const VFIO_DMA_MAP_FLAG_WRITE = 2
export const VFIO_DMA_MAP_FLAG_VADDR = 4
export const VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1
export const VFIO_DMA_UNMAP_FLAG_ALL = 2
export const VFIO_DMA_UNMAP_FLAG_VADDR = 4

export const VFIO_IOMMU_INFO_PGSIZES = 1
export const VFIO_IOMMU_INFO_CAPS = 2
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1
export const VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION = 2
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3

export const VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 2
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 4

/** A region's place in a device's descriptor: its index, shifted. A plain shift would overflow 32 bits. */
export const regionPosition = (index: number) => index * 2 ** 40
export const regionOfPosition = (position: number) => Math.floor(position / 2 ** 40)
