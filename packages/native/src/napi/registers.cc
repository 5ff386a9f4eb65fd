#include "registers.h"

#include "../sys/register-access.h"
#include "arguments.h"
#include "mapping.h"
#include "values.h"

namespace linux_dma {

namespace {

// The address of an aligned register of `width` bytes inside an open mapping; null with an exception pending else.
void* register_address(napi_env env, Arguments* arguments, uint32_t width) {
  const int64_t byte_offset = arguments->integer(1);
  if (arguments->failed()) return nullptr;
  const Mapping* mapping = mapping_of(env, arguments->value(0));
  if (mapping == nullptr) return nullptr;
  if (!mapping->open) {
    throw_code(env, "DMA_CLOSED", "the register window is closed");
    return nullptr;
  }
  const auto length = static_cast<int64_t>(mapping->byte_length);
  if (byte_offset < 0 || byte_offset > length - static_cast<int64_t>(width) || byte_offset % width != 0) {
    arguments->fail(1, "the offset of an aligned register in the window");
    return nullptr;
  }
  return static_cast<char*>(mapping->range.address) + byte_offset;
}

uint32_t width_of(Arguments* arguments) {
  const uint32_t bits = arguments->uint32(2);
  if (!arguments->failed() && bits != 8 && bits != 16 && bits != 32) arguments->fail(2, "8, 16 or 32");
  return bits / 8;
}

}  // namespace

// readRegister(handle, byteOffset, bits) -> number
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

// writeRegister(handle, byteOffset, bits, value): the value's low bits, as a typed array takes them
napi_value write_register(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t width = width_of(&arguments);
  uint32_t value = 0;
  if (napi_get_value_uint32(env, arguments.value(3), &value) != napi_ok) arguments.fail(3, "a number");
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

// readRegister64(handle, byteOffset) -> bigint, from one 64-bit load
napi_value read_register64(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const void* address = register_address(env, &arguments, 8);
  if (address == nullptr) return nullptr;
  napi_value result = nullptr;
  napi_create_bigint_uint64(env, sys::read_register<uint64_t>(address), &result);
  return result;
}

// writeRegister64(handle, byteOffset, low, high): one 64-bit store
napi_value write_register64(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t low = arguments.uint32(2);
  const uint32_t high = arguments.uint32(3);
  void* address = register_address(env, &arguments, 8);
  if (address == nullptr) return nullptr;
  sys::write_register<uint64_t>(address, uint64_t{high} << 32 | low);
  return nullptr;
}

}  // namespace linux_dma
