#include "mapping-table.h"

#include <errno.h>
#include <stdlib.h>

int region_create(Region* region, uint64_t dma_address, uint64_t byte_length, int32_t capacity) {
  *region = (Region){.capacity = capacity, .dma_address = dma_address, .byte_length = byte_length, .dma_ready = 1};
  region->records = calloc((size_t)capacity, sizeof(Record));
  if (region->records == NULL) return -ENOMEM;
  for (int32_t slot = 0; slot < capacity; slot++) {
    region->records[slot].handle = slot;
    region->records[slot].next_free = slot + 1 < capacity ? slot + 1 : -1;
  }
  return 0;
}

void region_destroy(Region* region) {
  free(region->records);
  region->records = NULL;
  region->closed = 1;
}

static int check(const Region* region, uint64_t byte_offset, uint64_t byte_length) {
  if (region->closed || !region->dma_ready) return -ENODEV;
  if (byte_length == 0 || byte_length > UINT32_MAX) return -EINVAL;
  if (byte_offset > region->byte_length || byte_length > region->byte_length - byte_offset) return -ERANGE;
  return 0;
}

int region_address_at(const Region* region, uint64_t byte_offset, uint64_t byte_length, uint64_t* address) {
  const int refused = check(region, byte_offset, byte_length);
  if (refused != 0) return refused;
  *address = region->dma_address + byte_offset;
  return 0;
}

static Record* record_of(const Region* region, int32_t handle) {
  const int32_t slot = handle & ((1 << kSlotBits) - 1);
  if (slot >= region->capacity) return NULL;
  Record* record = &region->records[slot];
  return record->handle == handle && record->state != 0 ? record : NULL;
}

int region_map(Region* region, uint64_t byte_offset, uint64_t byte_length, int32_t direction, int32_t* handle) {
  const int refused = check(region, byte_offset, byte_length);
  if (refused != 0) return refused;
  if (direction != region->direction && region->direction != 0) return -EINVAL;
  if (region->free_head < 0) return -ENOSPC;
  Record* record = &region->records[region->free_head];
  region->free_head = record->next_free;
  record->state = kLive | direction << kDirectionShift;
  record->byte_length = (uint32_t)byte_length;
  record->byte_offset = byte_offset;
  region->live++;
  *handle = record->handle;
  return 0;
}

int region_address_of(const Region* region, int32_t handle, uint64_t* address) {
  if (!region->dma_ready) return -ENODEV;
  const Record* record = record_of(region, handle);
  if (record == NULL) return -ENOENT;
  *address = region->dma_address + record->byte_offset;
  return 0;
}

int region_sync_for_cpu(Region* region, int32_t handle) {
  Record* record = record_of(region, handle);
  if (record == NULL) return -ENOENT;
  record->state |= kCpuOwns;
  return 0;
}

int region_sync_for_device(Region* region, int32_t handle) {
  Record* record = record_of(region, handle);
  if (record == NULL) return -ENOENT;
  record->state &= ~kCpuOwns;
  return 0;
}

int region_unmap(Region* region, int32_t handle) {
  Record* record = record_of(region, handle);
  if (record == NULL) return -ENOENT;
  record->handle = (int32_t)((uint32_t)handle + (1u << kSlotBits));
  record->state = 0;
  record->next_free = region->free_head;
  region->free_head = (int32_t)(record - region->records);
  region->live--;
  return 0;
}
