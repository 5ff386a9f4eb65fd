#pragma once

#include <node_api.h>

namespace linux_dma {

napi_value read_register(napi_env env, napi_callback_info info);
napi_value write_register(napi_env env, napi_callback_info info);
napi_value read_register64(napi_env env, napi_callback_info info);
napi_value write_register64(napi_env env, napi_callback_info info);

}  // namespace linux_dma
