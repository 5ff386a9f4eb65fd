import {
  applyChecked,
  assertChecked,
  assertOptions,
  type DmaChecker,
  DmaError,
  type Kernel,
  kernelOption,
} from '@linux-dma/core'
import { findUioDevice } from '../discovery/find-device'
import type { UioSelector } from '../discovery/uio-device-info'
import { uioDmaOps } from '../dma/uio-dma-ops'
import { connect } from './open-connection'
import { UioDevice } from './uio-device'

/** How to open: see {@link openUio}. */
export interface UioOptions {
  /** The real kernel by default; a fake machine's in tests. */
  kernel?: Kernel
  /**
   * That memory may be given to the device by physical address, where no IOMMU translates for it: a wrong one, or a transfer that
   * outlives the program, overwrites any memory, the kernel's included.
   */
  unsafePhysicalAddresses?: boolean
  /**
   * Watch what the driver does with the DMA API: `true` for a {@link DmaChecker} that throws, or one of one's own; `false` for none. A fake
   * machine watches all of its devices beside that, as its own option `checks` says.
   */
  checked?: boolean | DmaChecker
}

/**
 * Opens a UIO device. It is shared by all who open it through the same kernel object: the device goes on until the last one has
 * closed it. Root is not needed once /dev/uioN belongs to the user; what is missing is said with what mends it.
 * @param selector `uio0`, `/dev/uio0`, 0, the PCI address `0000:00:04.0` or `{ pci: '0000:00:04.0' }`, or `{ name: 'my-device' }`
 * @throws DMA_INVALID_ARGUMENT; DMA_NO_DEVICE, DMA_AMBIGUOUS, DMA_NOT_BOUND; DMA_ALREADY_OPEN where this process has it open
 *   otherwise; DMA_TRANSLATED where physical addresses were asked for and an IOMMU translates; DMA_DEVICE_GONE where it went away
 *   meanwhile; EACCES with a rule for udev; EPERM, EBUSY with a hint. Nothing stays open then.
 * @example
 * ```ts
 * using device = openUio({ pci: '0000:00:04.0' }, { kernel })
 * const registers = device.bar(0)
 * ```
 */
export function openUio(selector: UioSelector, options: UioOptions = {}): UioDevice {
  assertOptions('openUio', options, ['kernel', 'unsafePhysicalAddresses', 'checked'])
  assertChecked('openUio', options.checked)
  const { unsafePhysicalAddresses = false } = options
  const kernel = kernelOption('openUio', options.kernel)
  if (typeof unsafePhysicalAddresses !== 'boolean') {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `openUio: unsafePhysicalAddresses is ${String(unsafePhysicalAddresses)}, neither true nor false`,
    )
  }
  const connection = connect(kernel, findUioDevice(kernel, selector))
  try {
    const device = new UioDevice(connection, uioDmaOps(connection, { unsafePhysicalAddresses }))
    applyChecked(device, options.checked)
    return device
  } catch (error) {
    connection.release()
    throw error
  }
}
