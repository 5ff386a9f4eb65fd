// What a C driver does with VFIO, on descriptors that the library opened.
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "values.h"

// vfioMapUnmap(containerFd, address, byteLength, iova, count): VFIO_IOMMU_MAP_DMA and VFIO_IOMMU_UNMAP_DMA in turn
static napi_value vfio_map_unmap(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int fd = (int)number_at(&arguments, 0);
  const uint64_t byte_length = (uint64_t)number_at(&arguments, 2);
  const uint64_t iova = (uint64_t)number_at(&arguments, 3);
  const int64_t count = (int64_t)number_at(&arguments, 4);
  for (int64_t index = 0; index < count; index++) {
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)address_at(&arguments, 1),
        .iova = iova,
        .size = byte_length,
    };
    if (ioctl(fd, VFIO_IOMMU_MAP_DMA, &map) != 0) return throw_errno(env, "ioctl(VFIO_IOMMU_MAP_DMA)", errno);
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = iova, .size = byte_length};
    if (ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0) return throw_errno(env, "ioctl(VFIO_IOMMU_UNMAP_DMA)", errno);
    if (unmap.size != byte_length) return throw_errno(env, "VFIO_IOMMU_UNMAP_DMA of all bytes", ERANGE);
  }
  return NULL;
}

// interruptRounds(eventfd, raiseAddress, acknowledgeAddress, count): raises an interrupt, waits for it, acknowledges it
static napi_value interrupt_rounds(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int fd = (int)number_at(&arguments, 0);
  volatile uint32_t* raise = address_at(&arguments, 1);
  volatile uint32_t* acknowledge = address_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  for (int64_t index = 0; index < count; index++) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    uint64_t signals = 0;
    *raise = 1;
    if (poll(&poller, 1, 1000) != 1) return throw_errno(env, "poll", ETIMEDOUT);
    if (read(fd, &signals, sizeof signals) != sizeof signals) return throw_errno(env, "read", errno);
    *acknowledge = 1;
  }
  return NULL;
}

const Function kVfioFunctions[] = {
    {"vfioMapUnmap", vfio_map_unmap},
    {"interruptRounds", interrupt_rounds},
    {NULL, NULL},
};
