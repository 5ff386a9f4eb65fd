#include "../sys/descriptor.h"
#include "../sys/socket.h"
#include "arguments.h"
#include "environment.h"
#include "files.h"
#include "values.h"

namespace linux_dma {

namespace {

// Counts all of these descriptors as this environment's own, or closes all of them.
bool adopt_all(Environment* environment, const int* descriptors, size_t count) {
  for (size_t index = 0; index < count; index++) {
    if (environment->descriptors.add(descriptors[index])) continue;
    for (size_t other = 0; other < count; other++) {
      environment->descriptors.remove(descriptors[other]);
      sys::close_descriptor(descriptors[other]);
    }
    return false;
  }
  return true;
}

// A JavaScript array of descriptors.
napi_value array_of(napi_env env, const int* descriptors, size_t count) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, count, &array) != napi_ok) return nullptr;
  for (size_t index = 0; index < count; index++) {
    napi_set_element(env, array, static_cast<uint32_t>(index), number_value(env, descriptors[index]));
  }
  return array;
}

}  // namespace

// socketPair() -> [fd, fd]
napi_value create_socket_pair(napi_env env, napi_callback_info) {
  int ends[2] = {-1, -1};
  const sys::Result result = sys::create_socket_pair(ends);
  if (!result.ok()) return throw_failure(env, result);
  if (!adopt_all(environment_of(env), ends, 2)) return throw_failure(env, sys::failure(ENOMEM, "socketpair"));
  return array_of(env, ends, 2);
}

// sendMessage(fd, bytes, descriptors as Int32Array) -> bytes sent
napi_value send_message(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const Bytes bytes = arguments.bytes(1);
  const Bytes descriptors = arguments.bytes(2);
  const size_t count = descriptors.length / sizeof(int);
  if (!arguments.failed() && count > sys::kMaximumDescriptors) arguments.fail(2, "at most 253 descriptors");
  if (arguments.failed()) return nullptr;
  return number_or_throw(
      env, sys::send_message(fd, bytes.data, bytes.length, static_cast<const int*>(descriptors.data), count));
}

// receiveMessage(fd, bytes) -> [byteLength, descriptors]
napi_value receive_message(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int fd = arguments.int32(0);
  const Bytes bytes = arguments.bytes(1);
  if (arguments.failed()) return nullptr;
  int descriptors[sys::kMaximumDescriptors];
  size_t count = 0;
  const sys::Result result = sys::receive_message(fd, bytes.data, bytes.length, descriptors, &count);
  if (!result.ok()) return throw_failure(env, result);
  if (!adopt_all(environment_of(env), descriptors, count)) {
    return throw_failure(env, sys::failure(ENOMEM, "recvmsg"));
  }
  napi_value answer = nullptr;
  if (napi_create_array_with_length(env, 2, &answer) != napi_ok) return nullptr;
  napi_set_element(env, answer, 0, number_value(env, result.value));
  napi_set_element(env, answer, 1, array_of(env, descriptors, count));
  return answer;
}

}  // namespace linux_dma
