#pragma once

#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstdlib>

// The same number on every architecture that Node.js runs on; absent from the headers of older systems.
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_register 427
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

// Every call that can fail for want of something, in one list: X(name, type, value when it fails, parameters, call).
// A release build calls them directly (the table is constexpr, so the compiler sees through it). The faults build
// puts a counter before each, which a test can arm to fail the nth call.
//
// memfd_create, fcntl and statx go by number: their C library wrappers would raise the glibc that is needed, and
// musl has no fcntl64.
#define LINUX_DMA_SYSTEM_CALLS(X)                                                                                  \
  X(open, int, -1, (const char* path, int flags), ::open(path, flags, 0600))                                       \
  X(close, int, (::close(fd), -1), (int fd), ::close(fd))                                                          \
  X(read, ssize_t, -1, (int fd, void* bytes, size_t length), ::read(fd, bytes, length))                            \
  X(write, ssize_t, -1, (int fd, const void* bytes, size_t length), ::write(fd, bytes, length))                    \
  X(pread, ssize_t, -1, (int fd, void* bytes, size_t length, off_t position), ::pread(fd, bytes, length, position)) \
  X(pwrite, ssize_t, -1, (int fd, const void* bytes, size_t length, off_t position),                               \
    ::pwrite(fd, bytes, length, position))                                                                         \
  X(ioctl, int, -1, (int fd, unsigned long request, unsigned long argument), ::ioctl(fd, request, argument))       \
  X(eventfd, int, -1, (unsigned count, int flags), ::eventfd(count, flags))                                        \
  X(memfd_create, long, -1, (const char* name, unsigned flags), ::syscall(SYS_memfd_create, name, flags))          \
  X(ftruncate, int, -1, (int fd, off_t length), ::ftruncate(fd, length))                                           \
  X(fcntl, long, -1, (int fd, int command, unsigned long argument), ::syscall(SYS_fcntl, fd, command, argument))   \
  X(statx, long, -1, (int fd, unsigned mask, struct statx* status),                                                \
    ::syscall(SYS_statx, fd, "", AT_EMPTY_PATH, mask, status))                                                     \
  X(fstatfs, int, -1, (int fd, struct statfs* status), ::fstatfs(fd, status))                                      \
  X(mmap, void*, MAP_FAILED, (void* address, size_t length, int protection, int flags, int fd, off_t position),    \
    ::mmap(address, length, protection, flags, fd, position))                                                      \
  X(munmap, int, -1, (void* address, size_t length), ::munmap(address, length))                                    \
  X(madvise, int, -1, (void* address, size_t length, int advice), ::madvise(address, length, advice))              \
  X(mlock, int, -1, (const void* address, size_t length), ::mlock(address, length))                                \
  X(munlock, int, -1, (const void* address, size_t length), ::munlock(address, length))                            \
  X(io_uring_setup, long, -1, (unsigned entries, void* parameters), ::syscall(SYS_io_uring_setup, entries, parameters)) \
  X(io_uring_register, long, -1, (int fd, unsigned operation, void* argument, unsigned count),                     \
    ::syscall(SYS_io_uring_register, fd, operation, argument, count))                                              \
  X(getrlimit, int, -1, (int resource, struct rlimit* limit),                                                      \
    ::getrlimit(static_cast<__rlimit_resource>(resource), limit))                                                  \
  X(poll, int, -1, (struct pollfd* polled, int timeout), ::poll(polled, 1, timeout))                               \
  X(socket, int, -1, (int domain, int type), ::socket(domain, type, 0))                                            \
  X(bind, int, -1, (int fd, const struct sockaddr* address, socklen_t length), ::bind(fd, address, length))        \
  X(listen, int, -1, (int fd, int backlog), ::listen(fd, backlog))                                                 \
  X(accept4, int, -1, (int fd, int flags), ::accept4(fd, nullptr, nullptr, flags))                                 \
  X(connect, int, -1, (int fd, const struct sockaddr* address, socklen_t length), ::connect(fd, address, length))  \
  X(unlink, int, -1, (const char* path), ::unlink(path))                                                           \
  X(pidfd_open, long, -1, (int pid), ::syscall(SYS_pidfd_open, pid, 0))                                            \
  X(pidfd_getfd, long, -1, (int pidfd, int fd), ::syscall(SYS_pidfd_getfd, pidfd, fd, 0))                          \
  X(socketpair, int, -1, (int domain, int type, int* ends), ::socketpair(domain, type, 0, ends))                   \
  X(sendmsg, ssize_t, -1, (int fd, const struct msghdr* message, int flags), ::sendmsg(fd, message, flags))        \
  X(recvmsg, ssize_t, -1, (int fd, struct msghdr* message, int flags), ::recvmsg(fd, message, flags))              \
  X(calloc, void*, nullptr, (size_t count, size_t size), ::calloc(count, size))                                    \
  X(uv_poll_init, int, -errno, (uv_loop_t * loop, uv_poll_t * handle, int fd), ::uv_poll_init(loop, handle, fd))   \
  X(uv_poll_start, int, -errno, (uv_poll_t * handle, int events, uv_poll_cb listener),                             \
    ::uv_poll_start(handle, events, listener))                                                                     \
  X(external_buffer, int, -1, (), 0)

#ifdef LINUX_DMA_FAULTS
#include "faults.h"
#endif

namespace linux_dma::sys {

struct Table {
#define LINUX_DMA_MEMBER(name, type, failed, parameters, call) type(*name) parameters;
  LINUX_DMA_SYSTEM_CALLS(LINUX_DMA_MEMBER)
#undef LINUX_DMA_MEMBER
};

#ifdef LINUX_DMA_FAULTS
#define LINUX_DMA_ENTRY(name, type, failed, parameters, call) \
  [] parameters->type { return take_fault(SystemCall::name) ? failed : call; },
#else
#define LINUX_DMA_ENTRY(name, type, failed, parameters, call) [] parameters->type { return call; },
#endif

inline constexpr Table table = {LINUX_DMA_SYSTEM_CALLS(LINUX_DMA_ENTRY)};
#undef LINUX_DMA_ENTRY

}  // namespace linux_dma::sys
