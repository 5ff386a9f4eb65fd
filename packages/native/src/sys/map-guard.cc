#include "map-guard.h"

#include <linux/magic.h>

#include "descriptor.h"
#include "table.h"

#ifndef F_SEAL_SHRINK
#define F_SEAL_SHRINK 0x2
#endif
#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

namespace linux_dma::sys {

namespace {

// Files that a driver stands behind: the driver checks the range itself, and nobody can truncate them.
bool is_driver_file(int64_t filesystem) {
  switch (filesystem) {
    case SYSFS_MAGIC:
    case PROC_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case ANON_INODE_FS_MAGIC:
    case DMA_BUF_MAGIC:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result check_mappable(int fd, size_t byte_length, int64_t position, size_t* granule) {
  struct statx status{};
  const Result found =
      retried("statx", [&] { return table.statx(fd, STATX_TYPE | STATX_SIZE, &status); });
  if (!found.ok()) return found;
  if ((status.stx_mode & S_IFMT) != S_IFREG) return success(0, "statx");

  struct statfs filesystem{};
  const Result placed = retried("fstatfs", [&] { return table.fstatfs(fd, &filesystem); });
  if (!placed.ok()) return placed;
  const int64_t magic = static_cast<int64_t>(static_cast<uint32_t>(filesystem.f_type));
  if (is_driver_file(magic)) return success(0, "fstatfs");
  if (magic == static_cast<int64_t>(HUGETLBFS_MAGIC)) *granule = static_cast<size_t>(filesystem.f_bsize);

  const Result seals = get_seals(fd);
  // EINVAL: a file of a kind that takes no seals, so that any other process may cut it off under the mapping.
  if (seals.error == EINVAL) return refused("DMA_UNSEALED", "mmap");
  if (!seals.ok()) return seals;
  if ((seals.value & F_SEAL_SHRINK) == 0) return refused("DMA_UNSEALED", "mmap");

  // The last page may be partly past the end: its rest reads as zeros.
  const uint64_t end = static_cast<uint64_t>(position) + byte_length;
  const uint64_t backed = (status.stx_size + *granule - 1) / *granule * *granule;
  return end > backed ? refused("DMA_BEYOND_END", "mmap") : success(0, "fcntl(F_GET_SEALS)");
}

}  // namespace linux_dma::sys
