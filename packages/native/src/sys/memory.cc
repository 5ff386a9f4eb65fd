#include "memory.h"

#include "descriptor.h"
#include "map-guard.h"
#include "table.h"

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 0x1U
#define MFD_ALLOW_SEALING 0x2U
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x4U
#endif
#ifndef F_SEAL_SHRINK
#define F_SEAL_SHRINK 0x2
#endif

namespace linux_dma::sys {

namespace {

constexpr unsigned kHugePageShift = 26;  // where memfd_create(2) wants log2 of the huge page size

Result mapped(void* address, const char* syscall) {
  return address == MAP_FAILED ? failure(errno, syscall) : success(0, syscall);
}

}  // namespace

size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

Result create_memfd(const char* name, int64_t byte_length, unsigned huge_page_shift) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_page_shift != 0) flags |= MFD_HUGETLB | huge_page_shift << kHugePageShift;
  const Result created = retried("memfd_create", [=] { return table.memfd_create(name, flags); });
  if (!created.ok()) return created;

  Descriptor file(static_cast<int>(created.value));
  const Result sized =
      retried("ftruncate", [&] { return table.ftruncate(file.get(), static_cast<off_t>(byte_length)); });
  if (!sized.ok()) return sized;
  const Result sealed = add_seals(file.get(), F_SEAL_SHRINK);
  if (!sealed.ok()) return sealed;
  return success(file.release(), "memfd_create");
}

Result map_shared(int fd, size_t byte_length, int64_t position, bool writable, Range* range) {
  size_t granule = page_size();
  const Result guarded = check_mappable(fd, byte_length, position, &granule);
  if (!guarded.ok()) return guarded;

  // The kernel rounds the length up itself; munmap of huge pages wants the rounded one.
  range->length = (byte_length + granule - 1) / granule * granule;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  range->address = table.mmap(nullptr, range->length, protection, MAP_SHARED, fd, static_cast<off_t>(position));
  const Result result = mapped(range->address, "mmap");
  if (!result.ok()) return result;

  const Result kept = retried("madvise", [=] { return table.madvise(range->address, range->length, MADV_DONTFORK); });
  if (!kept.ok()) {
    table.munmap(range->address, range->length);
    return kept;
  }
  return result;
}

Result park(const Range& range) {
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return mapped(table.mmap(range.address, range.length, PROT_READ | PROT_WRITE, kFlags, -1, 0), "mmap");
}

Result unmap(const Range& range) {
  return retried("munmap", [&] { return table.munmap(range.address, range.length); });
}

Result lock(void* address, size_t length) {
  return retried("mlock", [=] { return table.mlock(address, length); });
}

Result unlock(void* address, size_t length) {
  return retried("munlock", [=] { return table.munlock(address, length); });
}

}  // namespace linux_dma::sys
