#include "type-tags.h"

namespace linux_dma {

napi_value wrap_tagged(napi_env env, void* pointer, napi_finalize finalize, const napi_type_tag& tag) {
  napi_value object = nullptr;
  // The tag goes on first: once wrapped, the finalizer owns the pointer.
  if (napi_create_object(env, &object) == napi_ok && napi_type_tag_object(env, object, &tag) == napi_ok &&
      napi_wrap(env, object, pointer, finalize, nullptr, nullptr) == napi_ok) {
    return object;
  }
  napi_throw_error(env, "DMA_NATIVE_UNAVAILABLE", "a handle could not be made");
  return nullptr;
}

void* unwrap_tagged(napi_env env, napi_value value, const napi_type_tag& tag) {
  napi_valuetype type;
  bool tagged = false;
  void* pointer = nullptr;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(env, value, &tag, &tagged) == napi_ok && tagged &&
      napi_unwrap(env, value, &pointer) == napi_ok) {
    return pointer;
  }
  napi_throw_type_error(env, "DMA_INVALID_ARGUMENT", "not a handle of this addon");
  return nullptr;
}

}  // namespace linux_dma
