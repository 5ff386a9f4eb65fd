#pragma once

#include <node_api.h>

namespace linux_dma {

napi_value register_access(napi_env env, napi_callback_info info);

}  // namespace linux_dma
