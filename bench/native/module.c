#include "values.h"

static int add(napi_env env, napi_value exports, const Function* functions) {
  for (; functions->name != NULL; functions++) {
    napi_value value = NULL;
    if (napi_create_function(env, functions->name, NAPI_AUTO_LENGTH, functions->callback, NULL, &value) != napi_ok ||
        napi_set_named_property(env, exports, functions->name, value) != napi_ok) {
      return 0;
    }
  }
  return 1;
}

NAPI_MODULE_INIT() {
  const Function* const families[] = {kBufferFunctions,    kCrossingFunctions, kDmaBufFunctions, kInterruptFunctions,
                                      kMappingFunctions,   kRegisterFunctions, kRingFunctions,
                                      kScatterlistFunctions, kUioFunctions,    kVfioFunctions};
  for (size_t index = 0; index < sizeof families / sizeof *families; index++) {
    if (!add(env, exports, families[index])) return NULL;
  }
  return exports;
}
