// What the rows' C sides share: reading arguments, answering with numbers, throwing.
#pragma once

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

enum { kMostArguments = 8 };

typedef struct {
  napi_env env;
  napi_value values[kMostArguments];
} Arguments;

Arguments arguments_of(napi_env env, napi_callback_info info);
double number_at(const Arguments* arguments, size_t index);
// A process address that came as a number.
void* address_at(const Arguments* arguments, size_t index);
// The elements of a typed array: they live as long as the array, which the caller keeps for the length of the call.
void* elements_at(const Arguments* arguments, size_t index, size_t* length);

napi_value number_value(napi_env env, double value);
napi_value throw_errno(napi_env env, const char* syscall, int error);

int64_t monotonic_nanoseconds(void);

typedef struct {
  const char* name;
  napi_callback callback;
} Function;

// Each file's functions, ended by a null name.
extern const Function kBufferFunctions[];
extern const Function kCrossingFunctions[];
extern const Function kDmaBufFunctions[];
extern const Function kInterruptFunctions[];
extern const Function kMappingFunctions[];
extern const Function kRegisterFunctions[];
extern const Function kRingFunctions[];
extern const Function kScatterlistFunctions[];
extern const Function kUioFunctions[];
extern const Function kVfioFunctions[];
