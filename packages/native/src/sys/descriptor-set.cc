#include "descriptor-set.h"

#include <cstring>

#include "descriptor.h"
#include "table.h"

namespace linux_dma::sys {

namespace {

constexpr size_t kBits = 64;
size_t word_of(int fd) { return static_cast<size_t>(fd) / kBits; }
uint64_t bit_of(int fd) { return uint64_t{1} << (static_cast<size_t>(fd) % kBits); }

}  // namespace

bool DescriptorSet::add(int fd) {
  const size_t word = word_of(fd);
  if (word >= capacity_) {
    const size_t capacity = (word + 1) * 2;
    auto* words = static_cast<uint64_t*>(table.calloc(capacity, sizeof(uint64_t)));
    if (words == nullptr) return false;
    if (words_ != nullptr) std::memcpy(words, words_, capacity_ * sizeof(uint64_t));
    std::free(words_);
    words_ = words;
    capacity_ = capacity;
  }
  if ((words_[word] & bit_of(fd)) == 0) {
    words_[word] |= bit_of(fd);
    size_++;
  }
  return true;
}

bool DescriptorSet::has(int fd) const {
  return fd >= 0 && word_of(fd) < capacity_ && (words_[word_of(fd)] & bit_of(fd)) != 0;
}

bool DescriptorSet::remove(int fd) {
  if (!has(fd)) return false;
  words_[word_of(fd)] &= ~bit_of(fd);
  size_--;
  return true;
}

void DescriptorSet::close_all() {
  for (size_t word = capacity_; word-- > 0;) {
    for (int bit = static_cast<int>(kBits); bit-- > 0 && words_[word] != 0;) {
      const int fd = static_cast<int>(word * kBits) + bit;
      if (remove(fd)) close_descriptor(fd);
    }
  }
  std::free(words_);
  words_ = nullptr;
  capacity_ = 0;
}

}  // namespace linux_dma::sys
