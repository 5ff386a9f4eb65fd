#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

constexpr size_t kMaximumDescriptors = 253;  // SCM_MAX_FD

Result create_socket_pair(int ends[2]);
Result send_message(int fd, void* bytes, size_t length, const int* descriptors, size_t count);
// Fails with EMSGSIZE where the message is longer than the bytes, with EMFILE where not all of its descriptors could
// be opened; in both cases nothing of it is kept. `descriptors` has room for kMaximumDescriptors.
Result receive_message(int fd, void* bytes, size_t length, int* descriptors, size_t* count);

}  // namespace linux_dma::sys
