#pragma once

#include <node_api.h>

#include "environment.h"

namespace linux_dma {

// A descriptor under the event loop's eye: a counter that is read each time (byte_length 4 or 8), or one poll for
// `events` (byte_length 0). Owned by its references: the JavaScript handle, and libuv until uv_close has finished.
struct Watch {
  Environment* environment = nullptr;
  Watch* previous = nullptr;
  Watch* next = nullptr;
  uv_poll_t* poll = nullptr;
  napi_ref listener = nullptr;
  napi_async_context context = nullptr;
  int fd = -1;
  int byte_length = 0;
  int events = 0;       // poll(2)'s bits
  int uv_events = 0;    // the same for libuv
  int references = 0;
  bool stopped = false;
  bool descriptor_closed = false;  // the listener is yet to be told
};

// Takes the descriptor from the event loop at once; the rest follows on the loop. Idempotent.
void stop_watch(Watch* watch);
// Stops what watches this descriptor, and lets its listeners know.
void stop_watches_of(Environment* environment, int fd);

napi_value watch(napi_env env, napi_callback_info info);
napi_value close_watch(napi_env env, napi_callback_info info);
napi_value refer_watch(napi_env env, napi_callback_info info);

}  // namespace linux_dma
