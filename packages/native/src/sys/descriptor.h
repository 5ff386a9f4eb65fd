#pragma once

#include <cstddef>

#include "result.h"

namespace linux_dma::sys {

// Owns a descriptor until release(): what a function that makes one and then fails needs.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release();

 private:
  int fd_;
};

constexpr int64_t kNoPosition = -1;

Result open_file(const char* path, int flags);
Result close_descriptor(int fd);
Result read_bytes(int fd, void* bytes, size_t length, int64_t position);
Result write_bytes(int fd, const void* bytes, size_t length, int64_t position);
Result control(int fd, unsigned long request, unsigned long argument);
Result create_eventfd(unsigned initial_count);
// An own descriptor of the same open file.
Result duplicate_descriptor(int fd);
// A process by its id, and a descriptor of the file that it has open under a number.
Result open_process(int pid);
Result take_descriptor(int process, int fd);
Result add_seals(int fd, int seals);
Result get_seals(int fd);
// poll(2) without waiting: the bits that are true now, 0 for none.
Result ready_events(int fd, short events);
// The soft RLIMIT_MEMLOCK in bytes; -1 for no limit.
Result locked_memory_limit();

// One reading of a counter: 8 bytes of an eventfd, or 4 of a UIO node. EAGAIN where there is nothing to read.
struct Counter {
  Result result;
  double count;
};
Counter read_counter(int fd, size_t byte_length);

}  // namespace linux_dma::sys
