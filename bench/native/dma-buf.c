// What a C program does to make dma-bufs, to use their bytes and to send them.
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "values.h"

// How a C program maps the buffer: as few calls as there can be; or as the library does, which asks first whether it is
// a file that can shrink and keeps the mapping out of forked children; or as it does where a view may be left.
enum { kPlain, kCareful, kParked };

static const char* map_and_unmap(int fd, size_t byte_length, int manner) {
  struct statx status;
  if (manner != kPlain && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status) != 0) return "statx";
  void* address = mmap(NULL, byte_length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return "mmap";
  if (manner != kPlain && madvise(address, byte_length, MADV_DONTFORK) != 0) return "madvise";
  if (manner == kParked) {
    const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (mmap(address, byte_length, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return "mmap(MAP_FIXED)";
  }
  return munmap(address, byte_length) == 0 ? NULL : "munmap";
}

// A sealed memfd, the buffer of its pages, and the memfd closed again.
static const char* create_udmabuf(int device, size_t byte_length, int* buffer) {
  const int memfd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memfd < 0) return "memfd_create";
  if (ftruncate(memfd, (off_t)byte_length) != 0) return "ftruncate";
  if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) return "fcntl(F_ADD_SEALS)";
  struct udmabuf_create create = {.memfd = (uint32_t)memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = byte_length};
  *buffer = ioctl(device, UDMABUF_CREATE, &create);
  if (*buffer < 0) return "ioctl(UDMABUF_CREATE)";
  return close(memfd) == 0 ? NULL : "close";
}

static const char* udmabuf_cycle(int device, size_t byte_length, int manner) {
  const int node = device >= 0 ? device : open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
  if (node < 0) return "open(/dev/udmabuf)";
  int buffer = -1;
  const char* failed = create_udmabuf(node, byte_length, &buffer);
  if (failed != NULL) return failed;
  if (node != device && close(node) != 0) return "close";
  failed = map_and_unmap(buffer, byte_length, manner);
  if (failed != NULL) return failed;
  return close(buffer) == 0 ? NULL : "close";
}

// udmabufCycles(device, byteLength, manner, count): buffers created, mapped, unmapped and closed; device -1 opens it each time
static napi_value udmabuf_cycles(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int device = (int)number_at(&arguments, 0);
  const size_t byte_length = (size_t)number_at(&arguments, 1);
  const int manner = (int)number_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  for (int64_t index = 0; index < count; index++) {
    const char* failed = udmabuf_cycle(device, byte_length, manner);
    if (failed != NULL) return throw_errno(env, failed, errno);
  }
  return NULL;
}

static const char* heap_cycle(size_t byte_length) {
  const int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
  if (heap < 0) return "open(/dev/dma_heap/system)";
  struct dma_heap_allocation_data data = {.len = byte_length, .fd_flags = O_RDWR | O_CLOEXEC};
  if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) != 0) return "ioctl(DMA_HEAP_IOCTL_ALLOC)";
  if (close(heap) != 0) return "close";
  return close((int)data.fd) == 0 ? NULL : "close";
}

// heapCycles(byteLength, count): buffers allocated from the system's heap and closed
static napi_value heap_cycles(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const size_t byte_length = (size_t)number_at(&arguments, 0);
  const int64_t count = (int64_t)number_at(&arguments, 1);
  for (int64_t index = 0; index < count; index++) {
    const char* failed = heap_cycle(byte_length);
    if (failed != NULL) return throw_errno(env, failed, errno);
  }
  return NULL;
}

// cpuAccesses(fd, count): the ioctls before and after an access by the CPU, for reading and writing
static napi_value cpu_accesses(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int fd = (int)number_at(&arguments, 0);
  const int64_t count = (int64_t)number_at(&arguments, 1);
  for (int64_t index = 0; index < count; index++) {
    struct dma_buf_sync start = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &start) != 0) return throw_errno(env, "ioctl(DMA_BUF_IOCTL_SYNC)", errno);
    struct dma_buf_sync end = {.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW};
    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &end) != 0) return throw_errno(env, "ioctl(DMA_BUF_IOCTL_SYNC)", errno);
  }
  return NULL;
}

typedef union {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
} Control;

static const char* send_buffer(int socket, int buffer) {
  char byte = 0;
  Control control = {.bytes = {0}};
  control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof buffer), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(&control.header), &buffer, sizeof buffer);
  struct iovec part = {&byte, 1};
  const struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? NULL : "sendmsg";
}

static const char* receive_buffer(int socket, int* buffer) {
  char byte = 0;
  Control control;
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return "recvmsg";
  if (message.msg_controllen < CMSG_LEN(sizeof *buffer)) return "recvmsg of a descriptor";
  memcpy(buffer, CMSG_DATA(&control.header), sizeof *buffer);
  return NULL;
}

// What tells a dma-buf from any other file, and what it is.
static const char* look_at(int buffer) {
  char path[40];
  char text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", buffer);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "open(/proc/self/fdinfo)";
  const ssize_t length = read(file, text, sizeof text - 1);
  if (length < 0) return "read";
  text[length] = 0;
  if (close(file) != 0) return "close";
  errno = ENOMSG;
  return strstr(text, "\nexp_name:") == NULL ? "a dma-buf in /proc/self/fdinfo" : NULL;
}

// sendAndReceive(sender, receiver, fd, look, count): the buffer sent, received, looked at where `look` is set, and closed
static napi_value send_and_receive(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int sender = (int)number_at(&arguments, 0);
  const int receiver = (int)number_at(&arguments, 1);
  const int fd = (int)number_at(&arguments, 2);
  const int look = number_at(&arguments, 3) != 0;
  const int64_t count = (int64_t)number_at(&arguments, 4);
  for (int64_t index = 0; index < count; index++) {
    int received = -1;
    const char* failed = send_buffer(sender, fd);
    if (failed == NULL) failed = receive_buffer(receiver, &received);
    if (failed == NULL && look) failed = look_at(received);
    if (failed != NULL) return throw_errno(env, failed, errno);
    if (close(received) != 0) return throw_errno(env, "close", errno);
  }
  return NULL;
}

const Function kDmaBufFunctions[] = {
    {"udmabufCycles", udmabuf_cycles}, {"heapCycles", heap_cycles},          {"cpuAccesses", cpu_accesses},
    {"sendAndReceive", send_and_receive}, {NULL, NULL},
};
