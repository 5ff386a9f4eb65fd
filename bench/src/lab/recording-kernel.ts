import { type Kernel, linuxKernel, type MmapOptions } from '@linux-dma/native'

/** What the packages asked of the kernel, so that C can use the same descriptors. */
export interface Recorded {
  /** Descriptors by the path that was opened. */
  opened: Map<string, number>
  eventfds: number[]
  registerWindows: { fd: number; options: MmapOptions }[]
}

/** Takes note, from now on, of what this thread's kernel is asked that the C side needs to know. */
export function recordingKernel(): { kernel: Kernel; recorded: Recorded } {
  const recorded: Recorded = { opened: new Map(), eventfds: [], registerWindows: [] }
  const kernel = linuxKernel()
  const open = kernel.open.bind(kernel)
  const eventfd = kernel.eventfd.bind(kernel)
  const mapRegisters = kernel.mapRegisters.bind(kernel)
  // On the object itself, since a wrapper around it would be measured as well.
  Object.assign(kernel, {
    open(path: string, flags: number) {
      const fd = open(path, flags)
      recorded.opened.set(path, fd)
      return fd
    },
    eventfd(initialCount?: number) {
      const fd = eventfd(initialCount)
      recorded.eventfds.push(fd)
      return fd
    },
    mapRegisters(fd: number, options: MmapOptions) {
      recorded.registerWindows.push({ fd, options })
      return mapRegisters(fd, options)
    },
  } satisfies Partial<Kernel>)
  return { kernel, recorded }
}
