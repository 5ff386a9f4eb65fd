#include <cstring>

#include <sys/socket.h>

#include "../sys/socket.h"
#include "arguments.h"
#include "files.h"
#include "values.h"

namespace linux_dma {

namespace {

// The bytes of an address, kept with a NUL after them, and the socket's type.
struct Address {
  char bytes[sys::kMaximumAddress + 1] = {};
  size_t length = 0;
  int type = SOCK_STREAM;

  Address(Arguments& arguments, size_t first) {
    const Bytes given = arguments.bytes(first);
    if (arguments.boolean(first + 1)) type = SOCK_SEQPACKET;
    if (!arguments.failed() && (given.length == 0 || given.length > sys::kMaximumAddress)) {
      arguments.fail(first, "1 to 108 bytes");
    }
    if (arguments.failed()) return;
    length = given.length;
    std::memcpy(bytes, given.data, length);
  }
};

}  // namespace

// listen(address, seqpacket, backlog) -> fd
napi_value listen_at(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Address address(arguments, 0);
  const int backlog = arguments.int32(2);
  if (arguments.failed()) return nullptr;
  return owned_or_throw(env, sys::listen_at(address.bytes, address.length, address.type, backlog));
}

// connect(address, seqpacket) -> fd
napi_value connect_to(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Address address(arguments, 0);
  return arguments.failed() ? nullptr
                            : owned_or_throw(env, sys::connect_to(address.bytes, address.length, address.type));
}

// accept(fd) -> fd
napi_value accept_from(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  return arguments.failed() ? nullptr : owned_or_throw(env, sys::accept_from(fd));
}

}  // namespace linux_dma
