import { DmaError, explained, FileRegisterWindow, IoRegion, type Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { type BarPart, checkBarPart } from './bar-part'
import { PCI_DEVICES } from './pci-address'
import type { PciBar } from './pci-bars'

/** A BAR's registers, and whether they are mapped into this process rather than reached by system calls. */
export interface OpenedBar {
  readonly region: IoRegion
  readonly mapped: boolean
}

/**
 * Opens a BAR through `resourceN` in sysfs: any BAR of any device, whatever driver has it. Memory is mapped, I/O ports are
 * reached by a system call each. Needs that the file be readable and writable, which root's is.
 * @param part only these bytes of it
 * @param assertDecoding called before registers are mapped: an access to those of a device that does not decode ends the process
 * @throws EACCES with the command that permits it; DMA_RANGE, DMA_TOO_LARGE, DMA_INVALID_ARGUMENT; what `assertDecoding` throws; ENOMEM
 */
export function openSysfsBar(
  kernel: Kernel,
  address: string,
  bar: PciBar,
  part: BarPart | undefined,
  assertDecoding: () => void,
): OpenedBar {
  const name = `${address} BAR ${bar.index}`
  const { byteOffset, byteLength } = checkBarPart(name, bar.index, part, bar.byteLength, kernel.pageSize)
  const mapped = bar.kind === 'memory'
  if (mapped) assertDecoding()
  const path = `${PCI_DEVICES}/${address}/resource${bar.index}`
  const fd = explained(() => kernel.open(path, O_RDWR), {
    EACCES: () => ({
      message: `${path} may not be opened by this user`,
      hint: `as root: chown ${'$USER'} ${path}; it is root's again when the device comes back`,
    }),
  })
  if (!mapped) {
    const window = new FileRegisterWindow(kernel, fd, { name, byteLength, position: byteOffset })
    const onClose = () => kernel.close(fd)
    return { region: new IoRegion(window, { name, clock: kernel.clock, byteLength, onClose }), mapped }
  }
  try {
    const window = kernel.mapRegisters(fd, { byteLength, position: byteOffset })
    return { region: new IoRegion(window, { name, clock: kernel.clock, byteLength }), mapped }
  } finally {
    // A mapping holds the file by itself.
    kernel.close(fd)
  }
}

/** @throws DMA_NO_REGION where a device has no such BAR */
export function findBar(address: string, bars: readonly PciBar[], index: number): PciBar {
  const bar = bars.find((candidate) => candidate.index === index)
  if (bar) return bar
  throw new DmaError(
    'DMA_NO_REGION',
    `${address} has no BAR ${typeof index === 'number' ? index : `'${String(index)}'`}`,
    {
      hint: `it has BAR ${bars.map((one) => one.index).join(', ') || 'none'}: a number; the upper half of a 64-bit BAR has none of its own`,
    },
  )
}
