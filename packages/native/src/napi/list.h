#pragma once

#include <new>

#include "../sys/table.h"

namespace linux_dma {

// Objects of the addon are made and ended here: there is no C++ runtime library to bring operator new.
template <typename Type>
Type* make() {
  void* memory = sys::table.calloc(1, sizeof(Type));
  return memory == nullptr ? nullptr : new (memory) Type();
}

template <typename Type>
void end(Type* object) {
  object->~Type();
  std::free(object);
}

// A list whose links are in its members (`previous`, `next`), newest first.
template <typename Type>
struct List {
  Type* first = nullptr;

  void add(Type* item) {
    item->previous = nullptr;
    item->next = first;
    if (first != nullptr) first->previous = item;
    first = item;
  }

  void remove(Type* item) {
    if (item->previous != nullptr) item->previous->next = item->next;
    if (item->next != nullptr) item->next->previous = item->previous;
    if (first == item) first = item->next;
    item->previous = item->next = nullptr;
  }
};

}  // namespace linux_dma
