#include "arguments.h"

#include <cstdio>

namespace linux_dma {

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kMaximum;
  // Missing ones are filled with undefined.
  if (napi_get_cb_info(env, info, &count, values_, nullptr, &data_) != napi_ok) failed_ = true;
}

void Arguments::fail(size_t index, const char* expected) {
  if (failed_) return;
  failed_ = true;
  char message[96];
  std::snprintf(message, sizeof message, "argument %u is not %s", static_cast<unsigned>(index), expected);
  napi_throw_type_error(env_, "DMA_INVALID_ARGUMENT", message);
}

bool Arguments::is_number(size_t index) const {
  napi_valuetype type;
  return napi_typeof(env_, values_[index], &type) == napi_ok && type == napi_number;
}

int64_t Arguments::integer(size_t index) {
  constexpr double kMaximumSafe = 9007199254740991.0;
  double number = 0;
  if (failed_) return 0;
  // Written so that a NaN fails too.
  if (napi_get_value_double(env_, values_[index], &number) != napi_ok ||
      !(number >= -kMaximumSafe && number <= kMaximumSafe) ||
      static_cast<double>(static_cast<int64_t>(number)) != number) {
    fail(index, "a safe integer");
    return 0;
  }
  return static_cast<int64_t>(number);
}

int32_t Arguments::int32(size_t index) {
  const int64_t number = integer(index);
  if (!failed_ && (number < INT32_MIN || number > INT32_MAX)) fail(index, "a signed 32-bit integer");
  return failed_ ? 0 : static_cast<int32_t>(number);
}

uint32_t Arguments::uint32(size_t index) {
  const int64_t number = integer(index);
  if (!failed_ && (number < 0 || number > UINT32_MAX)) fail(index, "an unsigned 32-bit integer");
  return failed_ ? 0 : static_cast<uint32_t>(number);
}

bool Arguments::boolean(size_t index) {
  bool value = false;
  if (!failed_ && napi_get_value_bool(env_, values_[index], &value) != napi_ok) fail(index, "a boolean");
  return value;
}

Bytes Arguments::bytes(size_t index) {
  bool is_typed_array = false;
  if (failed_) return {nullptr, 0};
  if (napi_is_typedarray(env_, values_[index], &is_typed_array) != napi_ok || !is_typed_array) {
    fail(index, "a typed array");
    return {nullptr, 0};
  }
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr) != napi_ok) {
    fail(index, "a typed array with a buffer");
    return {nullptr, 0};
  }
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return {data, length};
    case napi_int16_array:
    case napi_uint16_array:
      return {data, length * 2};
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return {data, length * 4};
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return {data, length * 8};
    default:
      fail(index, "a typed array of a known kind");
      return {nullptr, 0};
  }
}

void Arguments::text(size_t index, char* text, size_t capacity) {
  size_t length = 0;
  text[0] = '\0';
  if (failed_) return;
  if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok || length >= capacity) {
    fail(index, "a string that fits");
    return;
  }
  if (napi_get_value_string_utf8(env_, values_[index], text, capacity, &length) != napi_ok) fail(index, "a string");
}

napi_value Arguments::function(size_t index) {
  napi_valuetype type;
  if (failed_) return nullptr;
  if (napi_typeof(env_, values_[index], &type) != napi_ok || type != napi_function) {
    fail(index, "a function");
    return nullptr;
  }
  return values_[index];
}

}  // namespace linux_dma
