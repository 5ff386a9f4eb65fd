#include "files.h"

#include <climits>

#include "../sys/descriptor.h"
#include "../sys/memory.h"
#include "arguments.h"
#include "environment.h"
#include "values.h"
#include "watch.h"

namespace linux_dma {

namespace {

constexpr size_t kMaximumName = 256;  // memfd_create(2) takes 249 bytes

// A request that encodes a size reads or writes that many bytes, whatever the caller's buffer has.
size_t encoded_size(uint32_t request) { return _IOC_DIR(request) == _IOC_NONE ? 0 : _IOC_SIZE(request); }

}  // namespace

napi_value owned_or_throw(napi_env env, const sys::Result& result) {
  if (!result.ok()) return throw_failure(env, result);
  const int fd = static_cast<int>(result.value);
  if (environment_of(env)->descriptors.add(fd)) return number_value(env, fd);
  sys::close_descriptor(fd);
  return throw_failure(env, sys::failure(ENOMEM, result.syscall));
}

// open(path, flags) -> fd
napi_value open_file(napi_env env, napi_callback_info info) {
  char path[PATH_MAX];
  Arguments arguments(env, info);
  arguments.text(0, path, sizeof path);
  const int flags = arguments.int32(1);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::open_file(path, flags));
}

// close(fd): only what this environment opened, so that a stale number never closes another's file.
napi_value close_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  if (arguments.failed()) return nullptr;
  Environment* environment = environment_of(env);
  if (!environment->descriptors.remove(fd)) return throw_failure(env, sys::failure(EBADF, "close"));
  stop_watches_of(environment, fd);
  const sys::Result result = sys::close_descriptor(fd);
  return result.ok() ? nullptr : throw_failure(env, result);
}

// adopt(fd) -> fd: a descriptor that a driver made in answer to an ioctl
napi_value adopt_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  if (!arguments.failed() && fd < 0) arguments.fail(0, "a descriptor");
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::success(fd, "ioctl"));
}

// read(fd, bytes, position): position -1 for none
napi_value read_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int64_t position = arguments.integer(2);
  const Bytes bytes = arguments.bytes(1);
  return arguments.failed() ? nullptr : number_or_throw(env, sys::read_bytes(fd, bytes.data, bytes.length, position));
}

// write(fd, bytes, position): position -1 for none
napi_value write_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int64_t position = arguments.integer(2);
  const Bytes bytes = arguments.bytes(1);
  return arguments.failed() ? nullptr : number_or_throw(env, sys::write_bytes(fd, bytes.data, bytes.length, position));
}

// ioctl(fd, request, bytes or number)
napi_value control_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const uint32_t request = arguments.uint32(1);
  unsigned long argument = 0;
  if (arguments.is_number(2)) {
    argument = static_cast<unsigned long>(arguments.integer(2));
  } else {
    // The bytes stay where they are for the call: no JavaScript runs, and they are outside the collected heap.
    const Bytes bytes = arguments.bytes(2);
    if (!arguments.failed() && bytes.length < encoded_size(request)) {
      arguments.fail(2, "as long as the request's number says");
    }
    argument = static_cast<unsigned long>(reinterpret_cast<uintptr_t>(bytes.data));
  }
  return arguments.failed() ? nullptr : number_or_throw(env, sys::control(fd, request, argument));
}

// eventfd(initialCount) -> fd
napi_value create_eventfd(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t count = arguments.uint32(0);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::create_eventfd(count));
}

// memfd(name, byteLength, hugePageShift) -> fd
napi_value create_memfd(napi_env env, napi_callback_info info) {
  char name[kMaximumName];
  Arguments arguments(env, info);
  arguments.text(0, name, sizeof name);
  const int64_t byte_length = arguments.integer(1);
  const uint32_t shift = arguments.uint32(2);
  if (!arguments.failed() && shift >= 64) arguments.fail(2, "below 64");
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::create_memfd(name, byte_length, shift));
}

// duplicate(fd) -> fd, whoever opened the first
napi_value duplicate_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::duplicate_descriptor(fd));
}

// pidfdOpen(pid) -> fd
napi_value open_process(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int pid = arguments.int32(0);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::open_process(pid));
}

// pidfdGetfd(pidfd, fd) -> fd
napi_value take_descriptor(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int process = arguments.int32(0);
  const int fd = arguments.int32(1);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::take_descriptor(process, fd));
}

// addSeals(fd, seals)
napi_value add_seals(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int seals = arguments.int32(1);
  if (arguments.failed()) return nullptr;
  const sys::Result result = sys::add_seals(fd, seals);
  return result.ok() ? nullptr : throw_failure(env, result);
}

// getSeals(fd) -> bits
napi_value get_seals(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  return arguments.failed() ? nullptr : number_or_throw(env, sys::get_seals(fd));
}

// readyEvents(fd, events) -> bits
napi_value ready_events(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int32_t events = arguments.int32(1);
  if (!arguments.failed() && (events < 0 || events > SHRT_MAX)) arguments.fail(1, "poll events");
  return arguments.failed() ? nullptr : number_or_throw(env, sys::ready_events(fd, static_cast<short>(events)));
}

}  // namespace linux_dma
