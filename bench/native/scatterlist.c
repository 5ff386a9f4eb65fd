// Page frames to segments, in C: one array for each property of a segment, as the packages keep them.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "values.h"

enum { kPageShift = 12 };

typedef struct {
  uint32_t* pages;
  uint32_t* offsets;
  uint32_t* lengths;
  size_t count;
  size_t capacity;
} Segments;

// Makes room for as many again. Nothing is checked: a bench that runs out of memory may crash.
static void grow(Segments* segments) {
  segments->capacity = segments->capacity == 0 ? 1024 : segments->capacity * 2;
  segments->pages = realloc(segments->pages, segments->capacity * sizeof *segments->pages);
  segments->offsets = realloc(segments->offsets, segments->capacity * sizeof *segments->offsets);
  segments->lengths = realloc(segments->lengths, segments->capacity * sizeof *segments->lengths);
}

static void push(Segments* segments, uint32_t page, uint32_t pages) {
  if (segments->count == segments->capacity) grow(segments);
  segments->pages[segments->count] = page;
  segments->offsets[segments->count] = 0;
  segments->lengths[segments->count++] = pages << kPageShift;
}

static napi_value done(napi_env env, Segments* segments) {
  free(segments->pages);
  free(segments->offsets);
  free(segments->lengths);
  return number_value(env, (double)segments->count);
}

// As the kernel's table builder looks at it: at each page, is this one a neighbour of the last, and is there room?
static void build_by_page(const uint32_t* frames, size_t count, uint32_t most, Segments* segments) {
  size_t start = 0;
  for (size_t page = 1; page <= count; page++) {
    const int joins = page < count && frames[page] == frames[page - 1] + 1 && page - start < most;
    if (joins) continue;
    push(segments, frames[start], (uint32_t)(page - start));
    start = page;
  }
}

// The fastest known: runs, with the end that a segment may have computed once for each.
static void build_by_run(const uint32_t* frames, size_t count, uint32_t most, Segments* segments) {
  for (size_t start = 0; start < count;) {
    const size_t limit = count - start < most ? count : start + most;
    uint32_t next = frames[start] + 1;
    size_t page = start + 1;
    while (page < limit && frames[page] == next) {
      page++;
      next++;
    }
    push(segments, frames[start], (uint32_t)(page - start));
    start = page;
  }
}

// buildTable(frames, mostPages, byRun) -> segments. The table is made, and given back.
static napi_value build_table(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  size_t count = 0;
  const uint32_t* frames = elements_at(&arguments, 0, &count);
  const uint32_t most = (uint32_t)number_at(&arguments, 1);
  Segments segments = {0};
  if (number_at(&arguments, 2) != 0) {
    build_by_run(frames, count, most, &segments);
  } else {
    build_by_page(frames, count, most, &segments);
  }
  return done(env, &segments);
}

// translateAndBuild(address, entries, mostPages) -> segments; -1 where a page has no frame.
// Reads /proc/self/pagemap into `entries` (64 bits each) at once, then looks at each.
static napi_value translate_and_build(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  size_t count = 0;
  uint64_t* entries = elements_at(&arguments, 1, &count);
  const uint64_t most = (uint64_t)number_at(&arguments, 2);
  Segments segments = {0};
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return throw_errno(env, "open", errno);
  const off_t position = (off_t)((uint64_t)number_at(&arguments, 0) >> kPageShift) * 8;
  size_t filled = 0;
  while (filled < count * 8) {
    const ssize_t got = pread(fd, (char*)entries + filled, count * 8 - filled, position + (off_t)filled);
    if (got <= 0) break;
    filled += (size_t)got;
  }
  close(fd);
  if (filled < count * 8) return throw_errno(env, "pread", EIO);
  const uint64_t frame_mask = (UINT64_C(1) << 55) - 1;
  uint64_t first = entries[0] & frame_mask;
  if (first == 0) return number_value(env, -1);
  uint64_t pages = 1;
  for (size_t index = 1; index < count; index++) {
    const uint64_t frame = entries[index] & frame_mask;
    if (frame == 0) return number_value(env, -1);
    if (frame == first + pages && pages < most) {
      pages++;
      continue;
    }
    push(&segments, (uint32_t)first, (uint32_t)pages);
    first = frame;
    pages = 1;
  }
  push(&segments, (uint32_t)first, (uint32_t)pages);
  return done(env, &segments);
}

// copyBothWays(buffer, pool, byteLength, count): to a part of the pool, another one each time, and back
static napi_value copy_both_ways(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  size_t length = 0;
  char* buffer = elements_at(&arguments, 0, &length);
  char* pool = elements_at(&arguments, 1, &length);
  const size_t byte_length = (size_t)number_at(&arguments, 2);
  const int64_t count = (int64_t)number_at(&arguments, 3);
  const size_t parts = length / byte_length;
  for (int64_t index = 0; index < count; index++) {
    char* part = pool + (size_t)index % parts * byte_length;
    memcpy(part, buffer, byte_length);
    // Else the compiler may leave out what is copied over again.
    __asm__ volatile("" : : "r"(part) : "memory");
    memcpy(buffer, part, byte_length);
    __asm__ volatile("" : : "r"(buffer) : "memory");
  }
  return NULL;
}

const Function kScatterlistFunctions[] = {
    {"buildTable", build_table},
    {"translateAndBuild", translate_and_build},
    {"copyBothWays", copy_both_ways},
    {NULL, NULL},
};
