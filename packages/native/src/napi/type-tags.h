#pragma once

#include <node_api.h>

namespace linux_dma {

// Random numbers: they tell this addon's handles from any other native object that JavaScript may pass instead.
inline constexpr napi_type_tag kMappingTag = {0x8f1e6f2d0a5b4c37, 0xb2c94d7e13a86f50};
inline constexpr napi_type_tag kWatchTag = {0x41d7a09be36c4f82, 0x9a05e8d1762bc3f4};

// A new object that carries `pointer`; null, with nothing wrapped and an exception pending, where it could not be made.
napi_value wrap_tagged(napi_env env, void* pointer, napi_finalize finalize, const napi_type_tag& tag);
// The pointer, or null with a TypeError pending where the value is no such object.
void* unwrap_tagged(napi_env env, napi_value value, const napi_type_tag& tag);

}  // namespace linux_dma
