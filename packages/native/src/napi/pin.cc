#include "pin.h"

#include "../sys/pin.h"
#include "arguments.h"
#include "environment.h"
#include "files.h"
#include "mapping.h"
#include "values.h"

namespace linux_dma {

// pinMapping(handle, byteOffset, byteLength) -> fd. The pin is a descriptor, counted and closed as any other: it needs
// no record of its own, holds the pages and not the mapping, and ends with the environment.
napi_value pin_mapping(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int64_t byte_offset = arguments.integer(1);
  const int64_t byte_length = arguments.integer(2);
  if (arguments.failed()) return nullptr;
  const Mapping* mapping = mapping_of(env, arguments.value(0));
  if (mapping == nullptr) return nullptr;
  if (!mapping->open) return throw_code(env, "DMA_CLOSED", "the mapping is closed");
  const auto whole = static_cast<int64_t>(mapping->byte_length);
  if (byte_offset < 0 || byte_length <= 0 || byte_offset > whole || byte_length > whole - byte_offset) {
    arguments.fail(2, "inside the mapping");
    return nullptr;
  }
  char* address = static_cast<char*>(mapping->range.address) + byte_offset;
  return owned_or_throw(env, sys::pin_pages(address, static_cast<size_t>(byte_length)));
}

// unpin(fd)
napi_value unpin(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int ring = arguments.int32(0);
  if (arguments.failed()) return nullptr;
  if (!environment_of(env)->descriptors.remove(ring)) return throw_failure(env, sys::failure(EBADF, "close"));
  const sys::Result result = sys::unpin_pages(ring);
  return result.ok() ? nullptr : throw_failure(env, result);
}

}  // namespace linux_dma
