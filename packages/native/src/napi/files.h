#pragma once

#include <node_api.h>

#include "../sys/result.h"

namespace linux_dma {

napi_value open_file(napi_env env, napi_callback_info info);
napi_value close_file(napi_env env, napi_callback_info info);
napi_value adopt_file(napi_env env, napi_callback_info info);
napi_value read_file(napi_env env, napi_callback_info info);
napi_value write_file(napi_env env, napi_callback_info info);
napi_value control_file(napi_env env, napi_callback_info info);
napi_value create_eventfd(napi_env env, napi_callback_info info);
napi_value create_memfd(napi_env env, napi_callback_info info);
napi_value duplicate_file(napi_env env, napi_callback_info info);
napi_value open_process(napi_env env, napi_callback_info info);
napi_value take_descriptor(napi_env env, napi_callback_info info);
napi_value add_seals(napi_env env, napi_callback_info info);
napi_value get_seals(napi_env env, napi_callback_info info);
napi_value ready_events(napi_env env, napi_callback_info info);
napi_value listen_at(napi_env env, napi_callback_info info);
napi_value connect_to(napi_env env, napi_callback_info info);
napi_value accept_from(napi_env env, napi_callback_info info);
napi_value create_socket_pair(napi_env env, napi_callback_info info);
napi_value send_message(napi_env env, napi_callback_info info);
napi_value receive_message(napi_env env, napi_callback_info info);

// Counts a new descriptor as this environment's own, and returns it; closes it and throws where there is no memory
// for that. A failed `result` is thrown as it is.
napi_value owned_or_throw(napi_env env, const sys::Result& result);

}  // namespace linux_dma
