#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

// Whether every page of the range will stay backed for as long as it is mapped. Sets *granule to the size of the
// pages that the file is made of, where that is not the base page's.
Result check_mappable(int fd, size_t byte_length, int64_t position, size_t* granule);

}  // namespace linux_dma::sys
