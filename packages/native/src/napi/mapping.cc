#include "mapping.h"

#include "arguments.h"
#include "type-tags.h"
#include "values.h"

namespace linux_dma {

namespace {

void account_closed(Mapping* mapping) {
  Environment* environment = mapping->environment;
  environment->mappings.remove(mapping);
  environment->open_mappings--;
  environment->mapped_bytes -= static_cast<int64_t>(mapping->byte_length);
  mapping->open = false;
}

void account_parked(Mapping* mapping, int direction) {
  mapping->environment->parked_mappings += direction;
  mapping->environment->parked_bytes += direction * static_cast<int64_t>(mapping->range.length);
}

// Parks a range that a view may still reach, gives back one that none ever could.
sys::Result close_range(Mapping* mapping) {
  const sys::Result result = mapping->viewed ? sys::park(mapping->range) : sys::unmap(mapping->range);
  if (!result.ok()) return result;
  account_closed(mapping);
  if (mapping->viewed) {
    account_parked(mapping, 1);
  } else {
    mapping->mapped = false;
  }
  return result;
}

void finalize(napi_env, void* data, void*) { drop_reference(static_cast<Mapping*>(data)); }
void finalize_buffer(napi_env, void*, void* hint) { drop_reference(static_cast<Mapping*>(hint)); }

}  // namespace

void drop_reference(Mapping* mapping) {
  if (--mapping->references != 0) return;
  // Nothing can reach the range any more.
  if (mapping->open) {
    account_closed(mapping);
  } else if (mapping->mapped) {
    account_parked(mapping, -1);
  }
  // Nobody is there to be told of a failure; it would cost address space only.
  if (mapping->mapped) sys::unmap(mapping->range);
  Environment* environment = mapping->environment;
  end(mapping);
  release(environment);
}

void abandon_mapping(Mapping* mapping) {
  if (close_range(mapping).ok()) return;
  account_closed(mapping);
  account_parked(mapping, 1);
}

Mapping* mapping_of(napi_env env, napi_value handle) {
  return static_cast<Mapping*>(unwrap_tagged(env, handle, kMappingTag));
}

// map(fd, byteLength, position, writable) -> handle
napi_value map(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int64_t byte_length = arguments.integer(1);
  const int64_t position = arguments.integer(2);
  const bool writable = arguments.boolean(3);
  if (!arguments.failed() && byte_length <= 0) arguments.fail(1, "above 0");
  if (!arguments.failed() && position < 0) arguments.fail(2, "0 or more");
  if (arguments.failed()) return nullptr;

  auto* mapping = make<Mapping>();
  if (mapping == nullptr) return throw_failure(env, sys::failure(ENOMEM, "calloc"));
  mapping->byte_length = static_cast<size_t>(byte_length);
  const sys::Result result = sys::map_shared(fd, mapping->byte_length, position, writable, &mapping->range);
  if (!result.ok()) {
    end(mapping);
    return throw_failure(env, result);
  }
  napi_value handle = wrap_tagged(env, mapping, finalize, kMappingTag);
  if (handle == nullptr) {
    sys::unmap(mapping->range);
    end(mapping);
    return nullptr;
  }
  Environment* environment = environment_of(env);
  retain(environment);
  mapping->environment = environment;
  mapping->references = 1;
  mapping->open = mapping->mapped = true;
  environment->mappings.add(mapping);
  environment->open_mappings++;
  environment->mapped_bytes += byte_length;
  return handle;
}

// mappingAddress(handle) -> number
napi_value mapping_address(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Mapping* mapping = mapping_of(env, arguments.value(0));
  if (mapping == nullptr) return nullptr;
  return number_value(env, static_cast<int64_t>(reinterpret_cast<uintptr_t>(mapping->range.address)));
}

// viewMapping(handle) -> ArrayBuffer. Called once for each mapping: the caller keeps the buffer.
napi_value view_mapping(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Mapping* mapping = mapping_of(env, arguments.value(0));
  if (mapping == nullptr) return nullptr;
  if (!mapping->open || mapping->viewed) return throw_code(env, "DMA_CLOSED", "the mapping has no buffer to give");

  napi_value buffer = nullptr;
  // From here on the finalizer may run, even where the call fails later.
  napi_status status = napi_no_external_buffers_allowed;
  if (sys::table.external_buffer() == 0) {
    mapping->viewed = true;
    mapping->references++;
    status = napi_create_external_arraybuffer(env, mapping->range.address, mapping->byte_length, finalize_buffer,
                                              mapping, &buffer);
    if (status == napi_no_external_buffers_allowed || status == napi_invalid_arg) {
      mapping->viewed = false;  // refused before anything was made
      mapping->references--;
    }
  }
  if (status == napi_ok) return buffer;
  if (status == napi_no_external_buffers_allowed) {
    return throw_code(env, "DMA_NO_EXTERNAL_BUFFERS", "this runtime allows no external ArrayBuffer");
  }
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  return pending ? nullptr : throw_code(env, "DMA_NO_EXTERNAL_BUFFERS", "the ArrayBuffer could not be made");
}

// closeMapping(handle)
napi_value close_mapping(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Mapping* mapping = mapping_of(env, arguments.value(0));
  if (mapping == nullptr || !mapping->open) return nullptr;
  const sys::Result result = close_range(mapping);
  return result.ok() ? nullptr : throw_failure(env, result);
}

// detachBuffer(arrayBuffer): false where it cannot be, or is already.
napi_value detach_buffer(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  napi_value result = nullptr;
  napi_get_boolean(env, napi_detach_arraybuffer(env, arguments.value(0)) == napi_ok, &result);
  return result;
}

// lockMapping(handle, byteOffset, byteLength, lock)
napi_value lock_mapping(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int64_t byte_offset = arguments.integer(1);
  const int64_t byte_length = arguments.integer(2);
  const bool lock = arguments.boolean(3);
  if (arguments.failed()) return nullptr;
  const Mapping* mapping = mapping_of(env, arguments.value(0));
  if (mapping == nullptr) return nullptr;
  if (!mapping->open) return throw_code(env, "DMA_CLOSED", "the mapping is closed");
  const auto whole = static_cast<int64_t>(mapping->byte_length);
  if (byte_offset < 0 || byte_length < 0 || byte_offset > whole || byte_length > whole - byte_offset) {
    arguments.fail(2, "inside the mapping");
    return nullptr;
  }
  char* address = static_cast<char*>(mapping->range.address) + byte_offset;
  const auto length = static_cast<size_t>(byte_length);
  const sys::Result result = lock ? sys::lock(address, length) : sys::unlock(address, length);
  return result.ok() ? nullptr : throw_failure(env, result);
}

}  // namespace linux_dma
