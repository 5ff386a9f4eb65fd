#include "pin.h"

#include <sys/uio.h>

#include <cstdint>

#include "descriptor.h"
#include "table.h"

namespace linux_dma::sys {

namespace {

constexpr unsigned kRegisterBuffers = 0;    // IORING_REGISTER_BUFFERS
constexpr unsigned kUnregisterBuffers = 1;  // IORING_UNREGISTER_BUFFERS
constexpr size_t kParameterWords = 30;      // struct io_uring_params
constexpr size_t kLongestBuffer = size_t{1} << 30;

Result register_buffers(int ring, char* address, size_t length) {
  const size_t count = (length + kLongestBuffer - 1) / kLongestBuffer;
  auto* buffers = static_cast<iovec*>(table.calloc(count, sizeof(iovec)));
  if (buffers == nullptr) return failure(ENOMEM, "calloc");
  for (size_t index = 0; index < count; index++) {
    const size_t offset = index * kLongestBuffer;
    buffers[index] = {address + offset, length - offset < kLongestBuffer ? length - offset : kLongestBuffer};
  }
  const Result result = retried("io_uring_register", [=] {
    return table.io_uring_register(ring, kRegisterBuffers, buffers, static_cast<unsigned>(count));
  });
  std::free(buffers);
  return result;
}

}  // namespace

Result pin_pages(void* address, size_t length) {
  uint32_t parameters[kParameterWords] = {};
  // Close-on-exec by itself.
  const Result created = retried("io_uring_setup", [&] { return table.io_uring_setup(1, parameters); });
  if (!created.ok()) return created;

  Descriptor ring(static_cast<int>(created.value));
  const Result registered = register_buffers(ring.get(), static_cast<char*>(address), length);
  if (!registered.ok()) return registered;
  return success(ring.release(), "io_uring_register");
}

Result unpin_pages(int ring) {
  // Where this fails, the close does the same a moment later.
  retried("io_uring_register", [=] { return table.io_uring_register(ring, kUnregisterBuffers, nullptr, 0); });
  return close_descriptor(ring);
}

}  // namespace linux_dma::sys
