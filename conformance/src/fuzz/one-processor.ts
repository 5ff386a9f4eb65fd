import type { Kernel } from '@linux-dma/native'

const PROCESSORS = '/sys/devices/system/cpu'

/**
 * Takes all processors of this machine but the first out of work. An interrupt that a program causes is then handled before
 * the program goes on, however busy the emulator's host is; by another processor it is handled at some time.
 */
export function useOneProcessor(kernel: Kernel): void {
  for (const name of kernel.list(PROCESSORS)) {
    const folder = `${PROCESSORS}/${name}`
    if (!/^cpu[1-9][0-9]*$/.test(name) || !kernel.list(folder).includes('online')) continue
    kernel.writeText(`${folder}/online`, '0')
  }
}
