#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

// A range of this process's addresses, in whole pages of whatever size the file has.
struct Range {
  void* address;
  size_t length;
};

size_t page_size();

// memfd_create, ftruncate, F_SEAL_SHRINK; nothing is left behind where one of them fails.
// huge_page_shift is 0, or log2 of the huge page's size.
Result create_memfd(const char* name, int64_t byte_length, unsigned huge_page_shift);

// Maps a file shared, kept out of forked children. Refuses (DMA_UNSEALED, DMA_BEYOND_END) what would end the process
// with SIGBUS later: a file that can still shrink, or a range past its end.
Result map_shared(int fd, size_t byte_length, int64_t position, bool writable, Range* range);

// Replaces the pages by anonymous ones, in one step: the file is let go, yet a late access finds memory.
Result park(const Range& range);
Result unmap(const Range& range);

Result lock(void* address, size_t length);
Result unlock(void* address, size_t length);

}  // namespace linux_dma::sys
