#include "table.h"

#include <cstring>

namespace linux_dma::sys {

namespace {

struct Fault {
  unsigned remaining;  // calls until the one that fails; 0 when not armed
  int error;
  unsigned long calls;
};

constexpr int kCount = static_cast<int>(SystemCall::count);

constexpr const char* kNames[kCount] = {
#define LINUX_DMA_NAME(name, type, failed, parameters, call) #name,
    LINUX_DMA_SYSTEM_CALLS(LINUX_DMA_NAME)
#undef LINUX_DMA_NAME
};

thread_local Fault faults[kCount];

}  // namespace

bool take_fault(SystemCall call) {
  Fault& fault = faults[static_cast<int>(call)];
  fault.calls++;
  if (fault.remaining == 0 || --fault.remaining != 0) return false;
  errno = fault.error;
  return true;
}

const char* system_call_name(int index) { return index >= 0 && index < kCount ? kNames[index] : nullptr; }

bool inject_fault(const char* name, unsigned nth, int error) {
  for (int index = 0; index < kCount; index++) {
    if (std::strcmp(kNames[index], name) != 0) continue;
    faults[index].remaining = nth;
    faults[index].error = error;
    return true;
  }
  return false;
}

void clear_faults() {
  for (Fault& fault : faults) fault = Fault{0, 0, 0};
}

unsigned long calls_made(int index) { return index >= 0 && index < kCount ? faults[index].calls : 0; }

}  // namespace linux_dma::sys
