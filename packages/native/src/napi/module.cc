#include <node_api.h>

#include "../sys/descriptor.h"
#include "../sys/memory.h"
#include "arguments.h"
#include "environment.h"
#include "files.h"
#include "mapping.h"
#include "pin.h"
#include "registers.h"
#include "values.h"
#include "watch.h"

namespace linux_dma {

namespace {

// live() -> counters
napi_value live(napi_env env, napi_callback_info) {
  const Environment* environment = environment_of(env);
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  set_number(env, result, "descriptors", environment->descriptors.size());
  set_number(env, result, "mappings", environment->open_mappings);
  set_number(env, result, "mappedBytes", static_cast<double>(environment->mapped_bytes));
  set_number(env, result, "watches", environment->open_watches);
  set_number(env, result, "parkedMappings", environment->parked_mappings);
  set_number(env, result, "parkedBytes", static_cast<double>(environment->parked_bytes));
  return result;
}

// lockedMemoryLimit() -> bytes, -1 for none
napi_value locked_memory_limit(napi_env env, napi_callback_info) {
  return number_or_throw(env, sys::locked_memory_limit());
}

#ifdef LINUX_DMA_FAULTS
// injectFault(name, nth, errno)
napi_value inject_fault(napi_env env, napi_callback_info info) {
  char name[64];
  Arguments arguments(env, info);
  arguments.text(0, name, sizeof name);
  const uint32_t nth = arguments.uint32(1);
  const int32_t error = arguments.int32(2);
  if (!arguments.failed() && !sys::inject_fault(name, nth, error)) arguments.fail(0, "the name of a system call");
  return nullptr;
}

napi_value clear_faults(napi_env, napi_callback_info) {
  sys::clear_faults();
  return nullptr;
}

// callCounts() -> {name: calls since clearFaults()}
napi_value call_counts(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  for (int index = 0; sys::system_call_name(index) != nullptr; index++) {
    set_number(env, result, sys::system_call_name(index), static_cast<double>(sys::calls_made(index)));
  }
  return result;
}
#endif

struct Function {
  const char* name;
  napi_callback callback;
};

constexpr Function kFunctions[] = {
    {"open", open_file},
    {"close", close_file},
    {"adopt", adopt_file},
    {"read", read_file},
    {"write", write_file},
    {"ioctl", control_file},
    {"eventfd", create_eventfd},
    {"memfd", create_memfd},
    {"duplicate", duplicate_file},
    {"pidfdOpen", open_process},
    {"pidfdGetfd", take_descriptor},
    {"addSeals", add_seals},
    {"getSeals", get_seals},
    {"readyEvents", ready_events},
    {"listen", listen_at},
    {"connect", connect_to},
    {"accept", accept_from},
    {"socketPair", create_socket_pair},
    {"sendMessage", send_message},
    {"receiveMessage", receive_message},
    {"map", map},
    {"mappingAddress", mapping_address},
    {"viewMapping", view_mapping},
    {"closeMapping", close_mapping},
    {"detachBuffer", detach_buffer},
    {"lockMapping", lock_mapping},
    {"pinMapping", pin_mapping},
    {"unpin", unpin},
    {"registerAccess", register_access},
    {"watch", watch},
    {"closeWatch", close_watch},
    {"referWatch", refer_watch},
    {"live", live},
    {"lockedMemoryLimit", locked_memory_limit},
#ifdef LINUX_DMA_FAULTS
    {"injectFault", inject_fault},
    {"clearFaults", clear_faults},
    {"callCounts", call_counts},
#endif
};

napi_value initialize(napi_env env, napi_value exports) {
  if (create_environment(env) == nullptr) {
    return throw_code(env, "DMA_NATIVE_UNAVAILABLE", "the addon could not set up its state");
  }
  for (const Function& function : kFunctions) {
    napi_value value = nullptr;
    if (napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, nullptr, &value) != napi_ok ||
        napi_set_named_property(env, exports, function.name, value) != napi_ok) {
      return nullptr;
    }
  }
  set_number(env, exports, "pageSize", static_cast<double>(sys::page_size()));
  return exports;
}

}  // namespace

}  // namespace linux_dma

NAPI_MODULE_INIT() { return linux_dma::initialize(env, exports); }
