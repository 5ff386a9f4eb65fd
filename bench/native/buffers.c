// A shared buffer made and given back, as a C program does it.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "values.h"

// The five calls without which there is no buffer.
static const char* plain_cycle(size_t byte_length) {
  const int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return "memfd_create";
  if (ftruncate(fd, (off_t)byte_length) != 0) return "ftruncate";
  void* address = mmap(NULL, byte_length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return "mmap";
  if (munmap(address, byte_length) != 0) return "munmap";
  return close(fd) == 0 ? NULL : "close";
}

// The calls that the library makes: sealed, checked to be sealed, kept out of children, parked where `park` is set.
static const char* careful_cycle(size_t byte_length, int park) {
  const int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return "memfd_create";
  if (ftruncate(fd, (off_t)byte_length) != 0) return "ftruncate";
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) return "fcntl(F_ADD_SEALS)";
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status) != 0) return "statx";
  struct statfs filesystem;
  if (fstatfs(fd, &filesystem) != 0) return "fstatfs";
  if (fcntl(fd, F_GET_SEALS) < 0) return "fcntl(F_GET_SEALS)";
  void* address = mmap(NULL, byte_length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return "mmap";
  if (madvise(address, byte_length, MADV_DONTFORK) != 0) return "madvise";
  if (park) {
    const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (mmap(address, byte_length, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return "mmap(MAP_FIXED)";
  }
  if (munmap(address, byte_length) != 0) return "munmap";
  return close(fd) == 0 ? NULL : "close";
}

// plainBuffers(byteLength, count)
static napi_value plain_buffers(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const size_t byte_length = (size_t)number_at(&arguments, 0);
  const int64_t count = (int64_t)number_at(&arguments, 1);
  for (int64_t index = 0; index < count; index++) {
    const char* failed = plain_cycle(byte_length);
    if (failed != NULL) return throw_errno(env, failed, errno);
  }
  return NULL;
}

// carefulBuffers(byteLength, park, count)
static napi_value careful_buffers(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const size_t byte_length = (size_t)number_at(&arguments, 0);
  const int park = number_at(&arguments, 1) != 0;
  const int64_t count = (int64_t)number_at(&arguments, 2);
  for (int64_t index = 0; index < count; index++) {
    const char* failed = careful_cycle(byte_length, park);
    if (failed != NULL) return throw_errno(env, failed, errno);
  }
  return NULL;
}

const Function kBufferFunctions[] = {
    {"plainBuffers", plain_buffers},
    {"carefulBuffers", careful_buffers},
    {NULL, NULL},
};
