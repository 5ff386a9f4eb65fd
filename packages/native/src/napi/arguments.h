#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace linux_dma {

// Bytes that JavaScript owns. Valid until the next call into JavaScript, which could detach them.
struct Bytes {
  void* data;
  size_t length;
};

// Reads the arguments of one call. The first one that is not what was asked for throws a TypeError; from then on
// failed() is true and every reader returns nothing, so that a function checks once, after the last.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info);

  int32_t int32(size_t index);
  uint32_t uint32(size_t index);
  // An integer that a double holds exactly.
  int64_t integer(size_t index);
  bool boolean(size_t index);
  // Uint8Array, Int32Array, … : the bytes under it.
  Bytes bytes(size_t index);
  // Copies a string, with its terminator, into `text`.
  void text(size_t index, char* text, size_t capacity);
  napi_value function(size_t index);
  napi_value value(size_t index) const { return values_[index]; }
  // What the function was made with.
  void* data() const { return data_; }
  bool is_number(size_t index) const;

  bool failed() const { return failed_; }
  void fail(size_t index, const char* expected);

 private:
  static constexpr size_t kMaximum = 4;
  napi_env env_;
  napi_value values_[kMaximum];
  void* data_ = nullptr;
  bool failed_ = false;
};

}  // namespace linux_dma
