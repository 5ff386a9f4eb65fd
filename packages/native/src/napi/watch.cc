#include "watch.h"

#include "../sys/descriptor.h"
#include "arguments.h"
#include "type-tags.h"
#include "values.h"

namespace linux_dma {

namespace {

// What a listener gets as its second argument where the descriptor was closed under it: no negative errno.
constexpr int kDescriptorClosed = 1;

void on_poll(uv_poll_t* poll, int status, int events);

void drop_reference(Watch* watch) {
  if (--watch->references != 0) return;
  Environment* environment = watch->environment;
  end(watch);
  release(environment);
}

void finalize(napi_env, void* data, void*) { drop_reference(static_cast<Watch*>(data)); }

// Calls listener(count, error) as an event of its own: promises and process.nextTick run before the next one.
void tell(Watch* watch, double count, int error) {
  napi_env env = watch->environment->env;
  napi_handle_scope scope = nullptr;
  if (watch->environment->tearing_down || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value listener = nullptr;
  napi_value receiver = nullptr;
  napi_value arguments[] = {double_value(env, count), number_value(env, error)};
  napi_get_reference_value(env, watch->listener, &listener);
  napi_get_global(env, &receiver);
  if (napi_make_callback(env, watch->context, receiver, listener, 2, arguments, nullptr) != napi_ok) {
    bool pending = false;
    napi_value thrown = nullptr;
    // What a listener throws is an uncaught exception, as from any other event.
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
      napi_fatal_exception(env, thrown);
    }
  }
  napi_close_handle_scope(env, scope);
}

void on_closed(uv_handle_t* handle) {
  auto* watch = static_cast<Watch*>(uv_handle_get_data(handle));
  Environment* environment = watch->environment;
  napi_env env = environment->env;
  if (watch->descriptor_closed) tell(watch, 0, kDescriptorClosed);
  napi_delete_reference(env, watch->listener);
  // Its hooks would want to run JavaScript; at the end of the environment there is none to run.
  if (!environment->tearing_down) napi_async_destroy(env, watch->context);
  std::free(handle);
  environment->watches.remove(watch);
  retain(environment);
  drop_reference(watch);
  continue_teardown(environment);
  release(environment);
}

void fail(Watch* watch, int error) {
  stop_watch(watch);
  tell(watch, 0, -error);
}

// After an error condition libuv has stopped the handle by itself: true when it runs again.
bool resume(Watch* watch) {
  if (watch->stopped) return false;
  const int status = sys::table.uv_poll_start(watch->poll, watch->uv_events, on_poll);
  if (status != 0) fail(watch, -status);
  return status == 0;
}

void on_ready(Watch* watch, int status) {
  const sys::Result ready = sys::ready_events(watch->fd, static_cast<short>(watch->events));
  if (!ready.ok()) return fail(watch, ready.error);
  if (ready.value == 0) {
    if (status < 0) resume(watch);
    return;
  }
  stop_watch(watch);
  tell(watch, static_cast<double>(ready.value), 0);
}

void on_count(Watch* watch, int status) {
  const sys::Counter counter = sys::read_counter(watch->fd, static_cast<size_t>(watch->byte_length));
  if (counter.result.ok()) {
    // An eventfd that was full reports an error until it is read: the value is good, and the watch goes on.
    if (status < 0 && !resume(watch)) return;
    return tell(watch, counter.count, 0);
  }
  // Woken for nothing: another reader was first.
  if (counter.result.error == EAGAIN && status == 0) return;
  fail(watch, counter.result.error == EAGAIN ? -status : counter.result.error);
}

void on_poll(uv_poll_t* poll, int status, int) {
  auto* watch = static_cast<Watch*>(uv_handle_get_data(reinterpret_cast<uv_handle_t*>(poll)));
  if (watch->stopped || watch->environment->tearing_down) return;
  watch->references++;  // the listener may close the watch
  if (watch->byte_length == 0) {
    on_ready(watch, status);
  } else {
    on_count(watch, status);
  }
  drop_reference(watch);
}

int libuv_events(int events) {
  int result = 0;
  if ((events & POLLIN) != 0) result |= UV_READABLE;
  if ((events & POLLOUT) != 0) result |= UV_WRITABLE;
  if ((events & POLLPRI) != 0) result |= UV_PRIORITIZED;
  return result;
}

// Gives back what a watch that never started holds. Its uv handle must not have been initialised.
void discard(Watch* watch) {
  napi_env env = watch->environment->env;
  if (watch->context != nullptr) napi_async_destroy(env, watch->context);
  if (watch->listener != nullptr) napi_delete_reference(env, watch->listener);
  std::free(watch->poll);
  end(watch);
}

// Everything a watch needs besides the descriptor; null, with an exception pending, where something is wanting.
Watch* prepare(napi_env env, napi_value listener) {
  auto* watch = make<Watch>();
  auto* poll = watch == nullptr ? nullptr
                                : static_cast<uv_poll_t*>(sys::table.calloc(1, uv_handle_size(UV_POLL)));
  if (poll == nullptr) {
    if (watch != nullptr) end(watch);
    throw_failure(env, sys::failure(ENOMEM, "calloc"));
    return nullptr;
  }
  watch->environment = environment_of(env);
  watch->poll = poll;
  napi_value name = nullptr;
  if (napi_create_string_utf8(env, "LinuxDmaWatch", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_async_init(env, nullptr, name, &watch->context) == napi_ok &&
      napi_create_reference(env, listener, 1, &watch->listener) == napi_ok) {
    return watch;
  }
  discard(watch);
  return nullptr;
}

}  // namespace

void stop_watch(Watch* watch) {
  if (watch->stopped) return;
  watch->stopped = true;
  watch->environment->open_watches--;
  uv_close(reinterpret_cast<uv_handle_t*>(watch->poll), on_closed);
}

void stop_watches_of(Environment* environment, int fd) {
  for (Watch* watch = environment->watches.first; watch != nullptr; watch = watch->next) {
    if (watch->fd != fd || watch->stopped) continue;
    watch->descriptor_closed = true;
    stop_watch(watch);
  }
}

// watch(fd, byteLength, events, listener) -> handle
napi_value watch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const int byte_length = arguments.int32(1);
  const int events = arguments.int32(2);
  napi_value listener = arguments.function(3);
  if (!arguments.failed() && byte_length != 0 && byte_length != 4 && byte_length != 8) arguments.fail(1, "0, 4 or 8");
  const int uv_events = libuv_events(events);
  // libuv takes a handle without events for one to stop.
  if (!arguments.failed() && uv_events == 0) arguments.fail(2, "poll events");
  if (arguments.failed()) return nullptr;

  Watch* watch = prepare(env, listener);
  if (watch == nullptr) return nullptr;
  watch->fd = fd;
  watch->byte_length = byte_length;
  watch->events = events;
  watch->uv_events = uv_events;
  Environment* environment = watch->environment;
  int status = sys::table.uv_poll_init(environment->loop, watch->poll, fd);
  if (status != 0) {
    discard(watch);
    return throw_failure(env, sys::failure(-status, "epoll_ctl"));
  }
  // From here on the handle belongs to the loop, and on_closed gives everything back.
  uv_handle_set_data(reinterpret_cast<uv_handle_t*>(watch->poll), watch);
  retain(environment);
  watch->references = 1;
  environment->watches.add(watch);
  environment->open_watches++;
  status = sys::table.uv_poll_start(watch->poll, uv_events, on_poll);
  if (status != 0) {
    stop_watch(watch);
    return throw_failure(env, sys::failure(-status, "epoll_ctl"));
  }
  napi_value handle = wrap_tagged(env, watch, finalize, kWatchTag);
  if (handle == nullptr) {
    stop_watch(watch);
  } else {
    watch->references++;
  }
  return handle;
}

// closeWatch(handle): no call to the listener follows.
napi_value close_watch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* watch = static_cast<Watch*>(unwrap_tagged(env, arguments.value(0), kWatchTag));
  if (watch == nullptr) return nullptr;
  watch->descriptor_closed = false;
  stop_watch(watch);
  return nullptr;
}

// referWatch(handle, referenced): whether it keeps the process alive.
napi_value refer_watch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const bool referenced = arguments.boolean(1);
  if (arguments.failed()) return nullptr;
  auto* watch = static_cast<Watch*>(unwrap_tagged(env, arguments.value(0), kWatchTag));
  if (watch == nullptr || watch->stopped) return nullptr;
  auto* handle = reinterpret_cast<uv_handle_t*>(watch->poll);
  if (referenced) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
  return nullptr;
}

}  // namespace linux_dma
