#include "values.h"

namespace linux_dma {

napi_value double_value(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value number_value(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

void set_number(napi_env env, napi_value object, const char* name, double value) {
  napi_set_named_property(env, object, name, double_value(env, value));
}

napi_value failure_value(napi_env env, const sys::Result& result) {
  napi_value message = nullptr;
  napi_value syscall = nullptr;
  napi_value error = nullptr;
  napi_value code = nullptr;
  if (napi_create_string_utf8(env, result.syscall, NAPI_AUTO_LENGTH, &syscall) != napi_ok) return nullptr;
  message = syscall;
  if (result.refusal != nullptr) napi_create_string_utf8(env, result.refusal, NAPI_AUTO_LENGTH, &code);
  if (napi_create_error(env, code, message, &error) != napi_ok) return nullptr;
  napi_set_named_property(env, error, "syscall", syscall);
  if (result.error != 0) napi_set_named_property(env, error, "errno", number_value(env, -result.error));
  return error;
}

napi_value throw_failure(napi_env env, const sys::Result& result) {
  napi_value error = failure_value(env, result);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

napi_value throw_code(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

napi_value number_or_throw(napi_env env, const sys::Result& result) {
  return result.ok() ? number_value(env, result.value) : throw_failure(env, result);
}

}  // namespace linux_dma
