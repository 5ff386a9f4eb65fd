#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

constexpr size_t kMaximumDescriptors = 253;  // SCM_MAX_FD

// Of sun_path, in bytes. A path has a NUL after it; an abstract name begins with one, and its length ends it.
constexpr size_t kMaximumAddress = 108;

Result create_socket_pair(int ends[2]);
// `type` is SOCK_STREAM or SOCK_SEQPACKET; `length` is kMaximumAddress at most. Where listening fails after the path was
// made, the path is taken away again.
Result listen_at(const char* address, size_t length, int type, int backlog);
Result connect_to(const char* address, size_t length, int type);
Result accept_from(int fd);
Result send_message(int fd, void* bytes, size_t length, const int* descriptors, size_t count);
// Fails with EMSGSIZE where the message is longer than the bytes, with EMFILE where not all of its descriptors could
// be opened; in both cases nothing of it is kept. `descriptors` has room for kMaximumDescriptors.
Result receive_message(int fd, void* bytes, size_t length, int* descriptors, size_t* count);

}  // namespace linux_dma::sys
