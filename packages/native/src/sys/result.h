#pragma once

#include <cerrno>
#include <cstdint>

namespace linux_dma::sys {

// What a system call, or a short sequence of them, came to. Names are string literals.
struct Result {
  int64_t value;
  int error;            // errno; 0 on success
  const char* syscall;  // the call that failed (the last one made, on success)
  const char* refusal;  // a DMA_… code where this library refused, not the kernel; else null

  bool ok() const { return error == 0 && refusal == nullptr; }
};

inline Result success(int64_t value, const char* syscall) { return {value, 0, syscall, nullptr}; }
inline Result failure(int error, const char* syscall) { return {-1, error, syscall, nullptr}; }
inline Result refused(const char* code, const char* syscall) { return {-1, 0, syscall, code}; }

// To be called straight after the system call, while errno is its own.
inline Result outcome(int64_t value, const char* syscall) {
  return value < 0 ? failure(errno, syscall) : success(value, syscall);
}

// Repeats a call that a signal interrupted before it did anything.
template <typename Call>
Result retried(const char* syscall, Call call) {
  for (;;) {
    const Result result = outcome(call(), syscall);
    if (result.error != EINTR) return result;
  }
}

}  // namespace linux_dma::sys
