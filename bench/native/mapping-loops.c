// Loops over the reference library, as a C driver's transfers would call it.
#include <errno.h>
#include <stdlib.h>

#include "mapping-table.h"
#include "values.h"

enum { kRegions = 8 };
// The regions of this process. Made by the rows, never more than a few; used from the main thread only.
static Region regions[kRegions];
static int region_count;

static Region* region_at(const Arguments* arguments) {
  const int index = (int)number_at(arguments, 0);
  return index >= 0 && index < region_count ? &regions[index] : NULL;
}

// createRegion(dmaAddress, byteLength, capacity) -> number of the region
static napi_value create_region(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  if (region_count == kRegions) return throw_errno(env, "createRegion", ENOSPC);
  const int refused = region_create(&regions[region_count], (uint64_t)number_at(&arguments, 0),
                                    (uint64_t)number_at(&arguments, 1), (int32_t)number_at(&arguments, 2));
  if (refused != 0) return throw_errno(env, "calloc", -refused);
  return number_value(env, region_count++);
}

static napi_value answer(napi_env env, int refused, uint64_t total) {
  return refused != 0 ? throw_errno(env, "the reference library", -refused)
                      : number_value(env, (double)(total & UINT32_MAX));
}

// addressAt(region, offsets, byteLength, count): a range check and an addition. `offsets` has a power of 2 elements.
static napi_value address_at_loop(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const Region* region = region_at(&arguments);
  size_t length = 0;
  const int32_t* offsets = elements_at(&arguments, 1, &length);
  const uint32_t byte_length = (uint32_t)number_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  uint64_t total = 0;
  for (int64_t index = 0; index < count; index++) {
    uint64_t address = 0;
    const int refused =
        region_address_at(region, (uint64_t)offsets[(size_t)index & (length - 1)], byte_length, &address);
    if (refused != 0) return answer(env, refused, 0);
    total += address;
  }
  return answer(env, 0, total);
}

// mapUnmap(region, offsets, byteLength, count): a mapping recorded and ended
static napi_value map_unmap_loop(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  Region* region = region_at(&arguments);
  size_t length = 0;
  const int32_t* offsets = elements_at(&arguments, 1, &length);
  const uint32_t byte_length = (uint32_t)number_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  for (int64_t index = 0; index < count; index++) {
    int32_t handle = 0;
    int refused = region_map(region, (uint64_t)offsets[(size_t)index & (length - 1)], byte_length, 1, &handle);
    if (refused == 0) refused = region_unmap(region, handle);
    if (refused != 0) return answer(env, refused, 0);
  }
  return answer(env, 0, 0);
}

static int transfer(Region* region, int32_t handle, uint64_t* total) {
  uint64_t address = 0;
  int refused = region_address_of(region, handle, &address);
  if (refused == 0) refused = region_sync_for_cpu(region, handle);
  if (refused == 0) refused = region_sync_for_device(region, handle);
  if (refused == 0) refused = region_unmap(region, handle);
  *total += address;
  return refused;
}

// transfer(region, offsets, byteLength, count): map, ask the address, sync for the CPU, sync for the device, unmap
static napi_value transfer_loop(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  Region* region = region_at(&arguments);
  size_t length = 0;
  const int32_t* offsets = elements_at(&arguments, 1, &length);
  const uint32_t byte_length = (uint32_t)number_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  uint64_t total = 0;
  for (int64_t index = 0; index < count; index++) {
    int32_t handle = 0;
    int refused = region_map(region, (uint64_t)offsets[(size_t)index & (length - 1)], byte_length, 1, &handle);
    if (refused == 0) refused = transfer(region, handle, &total);
    if (refused != 0) return answer(env, refused, 0);
  }
  return answer(env, 0, total);
}

// fill(region, handles, byteLength): one live mapping for each element
static napi_value fill(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  Region* region = region_at(&arguments);
  size_t length = 0;
  int32_t* handles = elements_at(&arguments, 1, &length);
  const uint32_t byte_length = (uint32_t)number_at(&arguments, 2);
  for (size_t index = 0; index < length; index++) {
    const int refused = region_map(region, (uint64_t)index * byte_length, byte_length, 1, &handles[index]);
    if (refused != 0) return answer(env, refused, 0);
  }
  return answer(env, 0, 0);
}

// churn(region, handles, order, byteLength, start, count): ends live mappings in the given order from `start` on, and makes
// new ones
static napi_value churn(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  Region* region = region_at(&arguments);
  size_t length = 0;
  size_t turns = 0;
  int32_t* handles = elements_at(&arguments, 1, &length);
  const int32_t* order = elements_at(&arguments, 2, &turns);
  const uint32_t byte_length = (uint32_t)number_at(&arguments, 3);
  const int64_t start = (int64_t)number_at(&arguments, 4);
  const int64_t count = (int64_t)number_at(&arguments, 5);
  uint64_t total = 0;
  for (int64_t index = start; index < start + count; index++) {
    const int32_t which = order[(size_t)index & (turns - 1)];
    int refused = transfer(region, handles[which], &total);
    if (refused == 0) {
      refused = region_map(region, (uint64_t)which * byte_length, byte_length, 1, &handles[which]);
    }
    if (refused != 0) return answer(env, refused, 0);
  }
  return answer(env, 0, total);
}

const Function kMappingFunctions[] = {
    {"createRegion", create_region}, {"addressAt", address_at_loop}, {"mapUnmap", map_unmap_loop},
    {"transfer", transfer_loop},     {"fill", fill},                 {"churn", churn},
    {NULL, NULL},
};
