#pragma once

#include <cstddef>
#include <cstdint>

namespace linux_dma::sys {

// Which descriptors a thread has opened here and not yet closed: one bit each.
class DescriptorSet {
 public:
  DescriptorSet() = default;
  DescriptorSet(const DescriptorSet&) = delete;
  DescriptorSet& operator=(const DescriptorSet&) = delete;

  // False where there was no memory for the bit.
  bool add(int fd);
  // False where it was not in the set.
  bool remove(int fd);
  bool has(int fd) const;
  int size() const { return size_; }
  // Closes all of them, the highest number first.
  void close_all();

 private:
  uint64_t* words_ = nullptr;
  size_t capacity_ = 0;  // in words
  int size_ = 0;
};

}  // namespace linux_dma::sys
