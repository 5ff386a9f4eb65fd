#pragma once

// Only in the faults build, which is never packed: lets a test fail the nth call of one kind, on its own thread.

namespace linux_dma::sys {

enum class SystemCall : int {
#define LINUX_DMA_NAME(name, type, failed, parameters, call) name,
  LINUX_DMA_SYSTEM_CALLS(LINUX_DMA_NAME)
#undef LINUX_DMA_NAME
      count
};

// Counts the call; true, with errno set, where it is the one that has to fail.
bool take_fault(SystemCall call);

const char* system_call_name(int index);
// Arms a fault: the nth call from now on (1 is the next) fails with `error`. False where the name is unknown.
bool inject_fault(const char* name, unsigned nth, int error);
void clear_faults();
// Calls made since the last clear_faults().
unsigned long calls_made(int index);

}  // namespace linux_dma::sys
