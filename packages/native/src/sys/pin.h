#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

// Pins the pages that hold a range: they are made where there are none, and neither moved nor given back. The value is
// the descriptor of an io_uring that does nothing but hold them; they are pinned until it is closed.
Result pin_pages(void* address, size_t length);

// Lets the pages go and closes the descriptor, which is gone whatever the result. When it returns they are unpinned:
// a mere close() of the descriptor would leave that to a kernel thread.
Result unpin_pages(int ring);

}  // namespace linux_dma::sys
