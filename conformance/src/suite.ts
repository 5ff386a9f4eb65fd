import type { Host, Runner } from './host'
import { kernelEvents } from './suites/kernel-events'
import { kernelFiles } from './suites/kernel-files'
import { kernelMemory } from './suites/kernel-memory'
import { kernelMessages } from './suites/kernel-messages'
import { vfioDma } from './suites/vfio-dma'
import { vfioErrnos } from './suites/vfio-errnos'
import { vfioExit } from './suites/vfio-exit'
import { vfioInterrupts } from './suites/vfio-interrupts'
import { vfioLimits } from './suites/vfio-limits'
import { vfioMappings } from './suites/vfio-mappings'
import { vfioOpen } from './suites/vfio-open'
import { vfioRegisters } from './suites/vfio-registers'

/** Everything that has to hold on both kernels. */
export function conformance(runner: Runner, host: Host): void {
  for (const suite of [
    kernelFiles,
    kernelMemory,
    kernelEvents,
    kernelMessages,
    vfioErrnos,
    vfioOpen,
    vfioRegisters,
    vfioInterrupts,
    vfioDma,
    vfioMappings,
    vfioLimits,
    vfioExit,
  ]) {
    suite(runner, host)
  }
}
