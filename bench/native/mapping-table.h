// The reference library: what core's DmaRegion does for each mapping, written in C with the same checks.
#pragma once

#include <stdint.h>

enum { kLive = 1, kCpuOwns = 2, kDirectionShift = 2, kSlotBits = 20 };

// 32 bytes, as one record of core's table.
typedef struct {
  int32_t handle;  // of the live mapping, or the next one to be handed out
  int32_t state;
  int32_t next_free;
  uint32_t byte_length;
  uint64_t byte_offset;
  uint64_t unused;
} Record;

typedef struct {
  Record* records;
  int32_t capacity;
  int32_t free_head;
  int32_t live;
  int32_t direction;
  uint64_t dma_address;
  uint64_t byte_length;
  volatile int closed;
  volatile int dma_ready;
} Region;

// Each returns 0, or a negative errno.
int region_create(Region* region, uint64_t dma_address, uint64_t byte_length, int32_t capacity);
void region_destroy(Region* region);
int region_address_at(const Region* region, uint64_t byte_offset, uint64_t byte_length, uint64_t* address);
int region_map(Region* region, uint64_t byte_offset, uint64_t byte_length, int32_t direction, int32_t* handle);
int region_address_of(const Region* region, int32_t handle, uint64_t* address);
int region_sync_for_cpu(Region* region, int32_t handle);
int region_sync_for_device(Region* region, int32_t handle);
int region_unmap(Region* region, int32_t handle);
