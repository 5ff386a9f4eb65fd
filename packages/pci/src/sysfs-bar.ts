import { DmaError, explained, FileRegisterWindow, IoRegion, type Kernel, type Reasons } from '@linux-dma/core'
import { type FileDescriptor, O_RDWR } from '@linux-dma/native'
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
 * reached by a system call each. Needs that the file be readable and writable, which it is to root.
 * @param address as sysfs has it: {@link parsePciAddress}
 * @param part only these bytes of it
 * @param assertDecoding called before registers are mapped: an access to those of a device that does not decode ends the process
 * @throws EACCES with the command that permits it; EPERM where the kernel is locked down; EINVAL where a driver has the BAR for
 *   itself; ENOENT; DMA_RANGE, DMA_TOO_LARGE, DMA_INVALID_ARGUMENT; what `assertDecoding` throws; ENOMEM. Nothing stays open then.
 */
export function openSysfsBar(
  kernel: Kernel,
  address: string,
  bar: PciBar,
  part: BarPart | undefined,
  assertDecoding: () => void,
): OpenedBar {
  const name = `${address} BAR ${bar.index}`
  const range = checkBarPart(name, bar.index, part, bar.byteLength, kernel.pageSize)
  const path = `${PCI_DEVICES}/${address}/resource${bar.index}`
  if (bar.kind === 'memory') {
    assertDecoding()
    return { region: mapMemory(kernel, path, name, bar, range), mapped: true }
  }
  const fd = open(kernel, path)
  const { byteOffset: position, byteLength } = range
  const window = new FileRegisterWindow(kernel, fd, { name, byteLength, position })
  const onClose = () => kernel.close(fd)
  return { region: new IoRegion(window, { name, clock: kernel.clock, byteLength, onClose }), mapped: false }
}

function mapMemory(kernel: Kernel, path: string, name: string, bar: PciBar, range: BarPart): IoRegion {
  // Of a BAR that shares its page with others, the file has the whole page.
  const inPage = Number(bar.address % BigInt(kernel.pageSize))
  const { byteOffset, byteLength } = range
  const fd = open(kernel, path)
  try {
    const options = { byteLength: inPage + byteLength, position: byteOffset }
    const window = explained(() => kernel.mapRegisters(fd, options), refusals(path))
    return new IoRegion(window, { name, clock: kernel.clock, byteOffset: inPage, byteLength })
  } finally {
    // A mapping holds the file by itself.
    kernel.close(fd)
  }
}

function open(kernel: Kernel, path: string): FileDescriptor {
  return explained(() => kernel.open(path, O_RDWR), refusals(path))
}

function refusals(path: string): Reasons {
  return {
    EACCES: () => ({
      message: `${path} may not be opened by this user`,
      hint: `sudo chown "$USER" ${path}; it is root's again when the device comes back`,
    }),
    EPERM: () => ({
      message: `the kernel lets nobody have ${path}: it is locked down`,
      hint: "'cat /sys/kernel/security/lockdown' tells; Secure Boot switches it on. VFIO works all the same",
    }),
    EINVAL: () => ({
      message: `${path} cannot be mapped: a driver of the kernel has these registers for itself`,
      hint: 'take the device from its driver: bindDriver(address, null); or boot with iomem=relaxed',
    }),
    ENOENT: () => ({
      message: `${path} is not there: the device is gone`,
      hint: "'lspci -D' lists the devices that there are now",
    }),
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
