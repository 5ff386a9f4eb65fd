#pragma once

#include <node_api.h>

#include "../sys/memory.h"
#include "environment.h"

namespace linux_dma {

// A mapped range of a file. Owned by its references: the JavaScript handle, and the ArrayBuffer once there is one.
// The addresses are given back when the last of them has been collected, so that no view can reach freed memory.
struct Mapping {
  Environment* environment = nullptr;
  Mapping* previous = nullptr;
  Mapping* next = nullptr;
  sys::Range range{nullptr, 0};
  size_t byte_length = 0;  // as asked for; range.length is whole pages
  int references = 0;
  bool open = false;    // the file's pages are in the range
  bool viewed = false;  // an ArrayBuffer was handed out
  bool mapped = false;  // the range holds something: the file's pages, or parked ones
};

// One reference less; the last one gives back the addresses and ends the mapping.
void drop_reference(Mapping* mapping);

// Ends a mapping whose environment goes away: like close, but keeps no accounts and cannot fail.
void abandon_mapping(Mapping* mapping);

// The mapping behind a handle, or null with an exception pending.
Mapping* mapping_of(napi_env env, napi_value handle);

napi_value map(napi_env env, napi_callback_info info);
napi_value mapping_address(napi_env env, napi_callback_info info);
napi_value view_mapping(napi_env env, napi_callback_info info);
napi_value close_mapping(napi_env env, napi_callback_info info);
napi_value detach_buffer(napi_env env, napi_callback_info info);
napi_value lock_mapping(napi_env env, napi_callback_info info);

}  // namespace linux_dma
