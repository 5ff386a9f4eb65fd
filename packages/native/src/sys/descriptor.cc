#include "descriptor.h"

#include "table.h"

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif

namespace linux_dma::sys {

Descriptor::~Descriptor() {
  if (fd_ >= 0) close_descriptor(fd_);
}

int Descriptor::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

Result open_file(const char* path, int flags) {
  return retried("open", [=] { return table.open(path, flags | O_CLOEXEC); });
}

Result close_descriptor(int fd) {
  const Result result = outcome(table.close(fd), "close");
  // Linux has taken the descriptor away even where a signal cut the call short: a second try could hit another's.
  return result.error == EINTR ? success(0, "close") : result;
}

Result read_bytes(int fd, void* bytes, size_t length, int64_t position) {
  if (position == kNoPosition) return retried("read", [=] { return table.read(fd, bytes, length); });
  return retried("pread", [=] { return table.pread(fd, bytes, length, static_cast<off_t>(position)); });
}

Result write_bytes(int fd, const void* bytes, size_t length, int64_t position) {
  if (position == kNoPosition) return retried("write", [=] { return table.write(fd, bytes, length); });
  return retried("pwrite", [=] { return table.pwrite(fd, bytes, length, static_cast<off_t>(position)); });
}

// Not retried: whether an interrupted request may be made again is the driver's to say.
Result control(int fd, unsigned long request, unsigned long argument) {
  return outcome(table.ioctl(fd, request, argument), "ioctl");
}

Result create_eventfd(unsigned initial_count) {
  return outcome(table.eventfd(initial_count, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

Result duplicate_descriptor(int fd) {
  return retried("fcntl(F_DUPFD_CLOEXEC)", [=] { return table.fcntl(fd, F_DUPFD_CLOEXEC, 0); });
}

// Both close on exec by themselves.
Result open_process(int pid) {
  return retried("pidfd_open", [=] { return table.pidfd_open(pid); });
}

Result take_descriptor(int process, int fd) {
  return retried("pidfd_getfd", [=] { return table.pidfd_getfd(process, fd); });
}

Result add_seals(int fd, int seals) {
  return retried("fcntl(F_ADD_SEALS)", [=] { return table.fcntl(fd, F_ADD_SEALS, static_cast<unsigned long>(seals)); });
}

Result get_seals(int fd) {
  return retried("fcntl(F_GET_SEALS)", [=] { return table.fcntl(fd, F_GET_SEALS, 0); });
}

Result ready_events(int fd, short events) {
  pollfd polled{fd, events, 0};
  const Result result = retried("poll", [&] { return table.poll(&polled, 0); });
  return result.ok() ? success(polled.revents, "poll") : result;
}

Result locked_memory_limit() {
  rlimit limit{};
  const Result result = outcome(table.getrlimit(RLIMIT_MEMLOCK, &limit), "getrlimit");
  if (!result.ok()) return result;
  return success(limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<int64_t>(limit.rlim_cur), "getrlimit");
}

Counter read_counter(int fd, size_t byte_length) {
  uint64_t wide = 0;
  uint32_t narrow = 0;
  void* target = byte_length == sizeof wide ? static_cast<void*>(&wide) : &narrow;
  const Result result = read_bytes(fd, target, byte_length, kNoPosition);
  if (!result.ok()) return {result, 0};
  // Neither kind of counter is ever read in part: anything else means that the descriptor is no counter.
  if (static_cast<size_t>(result.value) != byte_length) return {failure(EIO, "read"), 0};
  return {result, byte_length == sizeof wide ? static_cast<double>(wide) : static_cast<double>(narrow)};
}

}  // namespace linux_dma::sys
