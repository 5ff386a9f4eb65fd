#include "values.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

Arguments arguments_of(napi_env env, napi_callback_info info) {
  Arguments arguments = {.env = env};
  size_t count = kMostArguments;
  napi_get_cb_info(env, info, &count, arguments.values, NULL, NULL);
  return arguments;
}

double number_at(const Arguments* arguments, size_t index) {
  double value = 0;
  napi_get_value_double(arguments->env, arguments->values[index], &value);
  return value;
}

void* address_at(const Arguments* arguments, size_t index) {
  return (void*)(uintptr_t)number_at(arguments, index);
}

void* elements_at(const Arguments* arguments, size_t index, size_t* length) {
  void* data = NULL;
  napi_get_typedarray_info(arguments->env, arguments->values[index], NULL, length, &data, NULL, NULL);
  return data;
}

napi_value number_value(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

napi_value throw_errno(napi_env env, const char* syscall, int error) {
  char message[160];
  snprintf(message, sizeof message, "%s: %s", syscall, strerror(error));
  napi_throw_error(env, NULL, message);
  return NULL;
}

int64_t monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
