#pragma once

#include <node_api.h>
#include <uv.h>

#include "../sys/descriptor-set.h"
#include "list.h"

namespace linux_dma {

struct Mapping;
struct Watch;

// All state of the addon: one for each JavaScript environment (main thread or worker) that loads it. It outlives the
// cleanup hook, since finalizers run after that: each object counts a reference to it.
struct Environment {
  napi_env env = nullptr;
  uv_loop_t* loop = nullptr;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  int references = 0;
  bool tearing_down = false;

  sys::DescriptorSet descriptors;
  List<Mapping> mappings;  // open ones
  List<Watch> watches;     // including those that wait for uv_close to finish

  int open_mappings = 0;
  int64_t mapped_bytes = 0;
  int open_watches = 0;
  int parked_mappings = 0;
  int64_t parked_bytes = 0;
};

Environment* create_environment(napi_env env);
Environment* environment_of(napi_env env);
void retain(Environment* environment);
void release(Environment* environment);

// Called by each watch that has finished closing; lets the environment end when it was the last.
void continue_teardown(Environment* environment);

}  // namespace linux_dma
