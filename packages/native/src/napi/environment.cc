#include "environment.h"

#include "mapping.h"
#include "watch.h"

namespace linux_dma {

namespace {

// Runs once when a worker is terminated or the process exits, before any finalizer; no JavaScript can run any more.
// Newest first: what uses a thing goes before the thing.
void tear_down(napi_async_cleanup_hook_handle handle, void* data) {
  auto* environment = static_cast<Environment*>(data);
  environment->tearing_down = true;
  environment->cleanup = handle;
  for (Watch* watch = environment->watches.first; watch != nullptr;) {
    Watch* next = watch->next;
    stop_watch(watch);
    watch = next;
  }
  while (environment->mappings.first != nullptr) abandon_mapping(environment->mappings.first);
  environment->descriptors.close_all();
  continue_teardown(environment);
}

}  // namespace

Environment* create_environment(napi_env env) {
  auto* environment = make<Environment>();
  if (environment == nullptr) return nullptr;
  environment->env = env;
  environment->references = 1;  // the cleanup hook's
  const bool ready =
      napi_get_uv_event_loop(env, &environment->loop) == napi_ok &&
      // The hook is always called, and gives the memory back; instance data is only the way to find it.
      napi_set_instance_data(env, environment, nullptr, nullptr) == napi_ok &&
      napi_add_async_cleanup_hook(env, tear_down, environment, &environment->cleanup) == napi_ok;
  if (ready) return environment;
  end(environment);
  return nullptr;
}

Environment* environment_of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

void retain(Environment* environment) { environment->references++; }

void release(Environment* environment) {
  if (--environment->references == 0) end(environment);
}

void continue_teardown(Environment* environment) {
  if (!environment->tearing_down || environment->watches.first != nullptr) return;
  // Node waits for this call before it goes on to finalizers and closes the loop.
  napi_remove_async_cleanup_hook(environment->cleanup);
  release(environment);
}

}  // namespace linux_dma
