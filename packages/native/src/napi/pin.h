#pragma once

#include <node_api.h>

namespace linux_dma {

napi_value pin_mapping(napi_env env, napi_callback_info info);
napi_value unpin(napi_env env, napi_callback_info info);

}  // namespace linux_dma
