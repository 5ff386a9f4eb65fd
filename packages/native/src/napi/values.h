#pragma once

#include <node_api.h>

#include "../sys/result.h"

namespace linux_dma {

// Throws an Error with a negative `errno` and a `syscall`, or with the `code` of a refusal; TypeScript makes a
// DmaError with a hint of it. Returns null, for `return throw_failure(…)`.
napi_value throw_failure(napi_env env, const sys::Result& result);
// The same as a value.
napi_value failure_value(napi_env env, const sys::Result& result);
// Throws with a code of this library and no errno.
napi_value throw_code(napi_env env, const char* code, const char* message);

napi_value number_value(napi_env env, int64_t value);
napi_value double_value(napi_env env, double value);
void set_number(napi_env env, napi_value object, const char* name, double value);

// The value as a number, or the failure thrown.
napi_value number_or_throw(napi_env env, const sys::Result& result);

}  // namespace linux_dma
