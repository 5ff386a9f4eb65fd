// A native call that does as little as one with arguments can: the floor for entering native code.
#include "values.h"

// holder() -> a handle of eight bytes
static napi_value holder(napi_env env, napi_callback_info info) {
  (void)info;
  static uint64_t cell;  // lives as long as the process
  napi_value handle = NULL;
  napi_create_external(env, &cell, NULL, NULL, &handle);
  return handle;
}

// store64(holder, byteOffset, low, high): reads its arguments and makes one 64-bit store
static napi_value store64(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value values[4];
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  void* data = NULL;
  int64_t byte_offset = 0;
  uint32_t low = 0;
  uint32_t high = 0;
  napi_get_value_external(env, values[0], &data);
  napi_get_value_int64(env, values[1], &byte_offset);
  napi_get_value_uint32(env, values[2], &low);
  napi_get_value_uint32(env, values[3], &high);
  if (byte_offset != 0) return throw_errno(env, "store64", 22);
  *(volatile uint64_t*)data = (uint64_t)high << 32 | low;
  return NULL;
}

const Function kCrossingFunctions[] = {
    {"holder", holder},
    {"store64", store64},
    {NULL, NULL},
};
