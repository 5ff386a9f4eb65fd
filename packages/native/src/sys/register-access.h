#pragma once

#include <cstdint>

namespace linux_dma::sys {

// The kernel's pairs: readl() is the load, then a barrier that no later access passes; writel() is a barrier that no
// earlier access passes, then the store. See Documentation/memory-barriers.txt, "KERNEL I/O BARRIER EFFECTS".

#if defined(__x86_64__) || defined(__i386__)
// The machine keeps device accesses in order; only the compiler has to be told.
inline void barrier_after_read() { asm volatile("" ::: "memory"); }
inline void barrier_before_write() { asm volatile("" ::: "memory"); }
#elif defined(__aarch64__)
inline void barrier_after_read() { asm volatile("dmb oshld" ::: "memory"); }
inline void barrier_before_write() { asm volatile("dmb oshst" ::: "memory"); }
#elif defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7
inline void barrier_after_read() { asm volatile("dsb sy" ::: "memory"); }
inline void barrier_before_write() { asm volatile("dsb st" ::: "memory"); }
#else
inline void barrier_after_read() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void barrier_before_write() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif

// One access of exactly the type's width. The caller has checked range, alignment and that the mapping is open.
template <typename Value>
Value read_register(const void* address) {
  const Value value = *static_cast<const volatile Value*>(address);
  barrier_after_read();
  return value;
}

template <typename Value>
void write_register(void* address, Value value) {
  barrier_before_write();
  *static_cast<volatile Value*>(address) = value;
}

}  // namespace linux_dma::sys
