#include "registers.h"

#include "../sys/register-access.h"
#include "arguments.h"
#include "mapping.h"
#include "values.h"

namespace linux_dma {

namespace {

// The address of an aligned register of `width` bytes inside an open mapping; null with an exception pending else.
void* register_address(napi_env env, Arguments* arguments, uint32_t width) {
  const int64_t byte_offset = arguments->integer(0);
  if (arguments->failed()) return nullptr;
  // The function holds a reference to its mapping, so the pointer is good for as long as it can be called.
  const auto* mapping = static_cast<const Mapping*>(arguments->data());
  if (!mapping->open) {
    throw_code(env, "DMA_CLOSED", "the register window is closed");
    return nullptr;
  }
  const auto length = static_cast<int64_t>(mapping->byte_length);
  if (byte_offset < 0 || byte_offset > length - static_cast<int64_t>(width) || byte_offset % width != 0) {
    arguments->fail(0, "the offset of an aligned register in the window");
    return nullptr;
  }
  return static_cast<char*>(mapping->range.address) + byte_offset;
}

uint32_t width_of(Arguments* arguments) {
  const uint32_t bits = arguments->uint32(1);
  if (!arguments->failed() && bits != 8 && bits != 16 && bits != 32) arguments->fail(1, "8, 16 or 32");
  return bits / 8;
}

// read(byteOffset, bits) -> number
napi_value read_register(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t width = width_of(&arguments);
  const void* address = register_address(env, &arguments, width);
  if (address == nullptr) return nullptr;
  uint32_t value = 0;
  if (width == 4) {
    value = sys::read_register<uint32_t>(address);
  } else if (width == 2) {
    value = sys::read_register<uint16_t>(address);
  } else {
    value = sys::read_register<uint8_t>(address);
  }
  napi_value result = nullptr;
  napi_create_uint32(env, value, &result);
  return result;
}

// write(byteOffset, bits, value): the value's low bits, as a typed array takes them
napi_value write_register(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t width = width_of(&arguments);
  uint32_t value = 0;
  if (napi_get_value_uint32(env, arguments.value(2), &value) != napi_ok) arguments.fail(2, "a number");
  void* address = register_address(env, &arguments, width);
  if (address == nullptr) return nullptr;
  if (width == 4) {
    sys::write_register<uint32_t>(address, value);
  } else if (width == 2) {
    sys::write_register<uint16_t>(address, static_cast<uint16_t>(value));
  } else {
    sys::write_register<uint8_t>(address, static_cast<uint8_t>(value));
  }
  return nullptr;
}

// read64(byteOffset) -> bigint, from one 64-bit load
napi_value read_register64(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const void* address = register_address(env, &arguments, 8);
  if (address == nullptr) return nullptr;
  napi_value result = nullptr;
  napi_create_bigint_uint64(env, sys::read_register<uint64_t>(address), &result);
  return result;
}

// write64(byteOffset, low, high): one 64-bit store
napi_value write_register64(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t low = arguments.uint32(1);
  const uint32_t high = arguments.uint32(2);
  void* address = register_address(env, &arguments, 8);
  if (address == nullptr) return nullptr;
  sys::write_register<uint64_t>(address, uint64_t{high} << 32 | low);
  return nullptr;
}

struct Accessor {
  const char* name;
  napi_callback callback;
};

constexpr Accessor kAccessors[] = {
    {"read", read_register},
    {"write", write_register},
    {"read64", read_register64},
    {"write64", write_register64},
};

void finalize(napi_env, void* data, void*) { drop_reference(static_cast<Mapping*>(data)); }

}  // namespace

// registerAccess(handle) -> {read, write, read64, write64}: functions with the mapping bound in, since looking into a
// handle takes five times as long as the whole access.
napi_value register_access(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Mapping* mapping = mapping_of(env, arguments.value(0));
  napi_value result = nullptr;
  if (mapping == nullptr || napi_create_object(env, &result) != napi_ok) return nullptr;
  for (const Accessor& accessor : kAccessors) {
    napi_value function = nullptr;
    if (napi_create_function(env, accessor.name, NAPI_AUTO_LENGTH, accessor.callback, mapping, &function) != napi_ok ||
        napi_add_finalizer(env, function, mapping, finalize, nullptr, nullptr) != napi_ok) {
      return nullptr;
    }
    mapping->references++;
    napi_set_named_property(env, result, accessor.name, function);
  }
  return result;
}

}  // namespace linux_dma
