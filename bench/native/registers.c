// Register reads and writes as a C driver makes them: volatile accesses through a pointer.
#include <errno.h>
#include <sys/mman.h>

#include "values.h"

// mapShared(fd, byteLength, position) -> address. The pages stay mapped for the rest of the process.
static napi_value map_shared(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  void* address = mmap(NULL, (size_t)number_at(&arguments, 1), PROT_READ | PROT_WRITE, MAP_SHARED,
                       (int)number_at(&arguments, 0), (off_t)number_at(&arguments, 2));
  if (address == MAP_FAILED) return throw_errno(env, "mmap", errno);
  return number_value(env, (double)(uintptr_t)address);
}

// unmapShared(address, byteLength)
static napi_value unmap_shared(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  munmap(address_at(&arguments, 0), (size_t)number_at(&arguments, 1));
  return NULL;
}

// readRegister(address, count) -> sum
static napi_value read_register(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const volatile uint32_t* reg = address_at(&arguments, 0);
  const int64_t count = (int64_t)number_at(&arguments, 1);
  uint32_t sum = 0;
  for (int64_t index = 0; index < count; index++) sum += *reg;
  return number_value(env, sum);
}

// writeRegister(address, count)
static napi_value write_register(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  volatile uint32_t* reg = address_at(&arguments, 0);
  const int64_t count = (int64_t)number_at(&arguments, 1);
  for (int64_t index = 0; index < count; index++) *reg = (uint32_t)index;
  return NULL;
}

// readWindow(address, byteLength, count) -> sum of the registers of a window of a power of two bytes, in turn
static napi_value read_window(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const volatile uint32_t* registers = address_at(&arguments, 0);
  const uint32_t mask = (uint32_t)number_at(&arguments, 1) / 4 - 1;
  const int64_t count = (int64_t)number_at(&arguments, 2);
  uint32_t sum = 0;
  for (int64_t index = 0; index < count; index++) sum += registers[index & mask];
  return number_value(env, sum);
}

// writeWindow(address, byteLength, count)
static napi_value write_window(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  volatile uint32_t* registers = address_at(&arguments, 0);
  const uint32_t mask = (uint32_t)number_at(&arguments, 1) / 4 - 1;
  const int64_t count = (int64_t)number_at(&arguments, 2);
  for (int64_t index = 0; index < count; index++) registers[index & mask] = (uint32_t)index;
  return NULL;
}

// followChain(address, byteOffset, count) -> byteOffset: each register holds the offset of the next
static napi_value follow_chain(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const volatile char* base = address_at(&arguments, 0);
  uint32_t offset = (uint32_t)number_at(&arguments, 1);
  const int64_t count = (int64_t)number_at(&arguments, 2);
  for (int64_t index = 0; index < count; index++) offset = *(const volatile uint32_t*)(base + offset);
  return number_value(env, offset);
}

// linkChain(address, byteLength, stride): one random cycle through all lines `stride` bytes apart
static napi_value link_chain(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  char* base = address_at(&arguments, 0);
  const uint32_t stride = (uint32_t)number_at(&arguments, 2);
  const uint32_t lines = (uint32_t)number_at(&arguments, 1) / stride;
  uint64_t state = 0x9e3779b97f4a7c15;
  for (uint32_t line = 0; line < lines; line++) *(uint32_t*)(base + (size_t)line * stride) = line * stride;
  // Sattolo's shuffle: one cycle, whatever the random numbers.
  for (uint32_t line = lines - 1; line > 0; line--) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint32_t* one = (uint32_t*)(base + (size_t)line * stride);
    uint32_t* other = (uint32_t*)(base + (size_t)(state % line) * stride);
    const uint32_t kept = *one;
    *one = *other;
    *other = kept;
  }
  return NULL;
}

const Function kRegisterFunctions[] = {
    {"mapShared", map_shared},       {"unmapShared", unmap_shared}, {"readRegister", read_register},
    {"writeRegister", write_register}, {"readWindow", read_window},   {"writeWindow", write_window},
    {"followChain", follow_chain},   {"linkChain", link_chain},     {NULL, NULL},
};
