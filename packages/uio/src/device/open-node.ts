import { DmaError, explained, isDmaError, type Kernel } from '@linux-dma/core'
import { O_NONBLOCK, O_RDWR } from '@linux-dma/native'
import { PCI_DEVICES } from '@linux-dma/pci'
import { UIO_CLASS } from '../discovery/sysfs'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { deviceGone } from './device-gone'

/**
 * Opens the node of a UIO device. Without blocking, so that to look whether there was an interrupt, or whether the device is
 * still there, never waits.
 * @throws DMA_DEVICE_GONE where the device went away meanwhile; EACCES with a rule for udev that permits it; EBUSY; what else open(2) answers
 */
export function openNode(kernel: Kernel, info: UioDeviceInfo): number {
  try {
    return explained(() => kernel.open(info.path, O_RDWR | O_NONBLOCK), {
      EACCES: () => ({
        message: `${info.path} may not be opened by this user: it is root's`,
        hint: `for now: sudo chown "$USER" ${info.path}; for good: put this line into /etc/udev/rules.d/70-uio.rules, with plugdev or a group of yours:\n${udevRule(info)}\nthen: sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=uio. Without an IOMMU, whoever may use a device that does DMA can read and change all memory`,
      }),
      EPERM: () => ({
        message: `${info.path} may not be opened here: the container was not given it`,
        hint: `start it with --device ${info.path}`,
      }),
      EBUSY: () => ({
        message: `the driver ${info.name} lets nobody else open ${info.path} now`,
        hint: `'fuser -v ${info.path}' tells who has it open`,
      }),
    })
  } catch (error) {
    throw isAbsent(error) ? whyAbsent(kernel, info, error) : error
  }
}

/** A line for udev that lets a group use a UIO device, and of a PCI device its configuration space and BARs. */
export function udevRule({ name, pci }: UioDeviceInfo): string {
  const rule = `SUBSYSTEM=="uio", ATTR{name}=="${name}"`
  const access = 'MODE="0660", GROUP="plugdev"'
  if (pci === undefined) return `${rule}, ${access}`
  const files = ['config', ...pci.bars.map(({ index }) => `resource${index}`)]
  const paths = files.map((file) => `${PCI_DEVICES}/${pci.address}/${file}`).join(' ')
  const run = ['chgrp plugdev', 'chmod g+rw'].map((command) => `RUN+="/bin/${command} ${paths}"`)
  return [rule, `KERNELS=="${pci.address}"`, access, ...run].join(', ')
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENODEV', 'ENXIO'].some((code) => isDmaError(error, code))
}

/** The node is not there: neither is the device; or nobody made a node for it. */
function whyAbsent(kernel: Kernel, info: UioDeviceInfo, error: unknown): DmaError {
  if (!kernel.list(UIO_CLASS).includes(info.node)) return deviceGone(info.node, error)
  const { errno, syscall, code } = error as DmaError
  return new DmaError(code, `the kernel has ${info.node}, but ${info.path} cannot be opened`, {
    hint: `in a container: start it with --device ${info.path}; else: 'sudo udevadm trigger --subsystem-match=uio' makes the node`,
    errno,
    syscall,
    path: info.path,
    cause: error,
  })
}
