import type { Kernel } from '@linux-dma/core'
import { PCI_DEVICES } from './pci-address'

/**
 * Commands that give a device to a driver, or take it from the one that has it, to show in a hint.
 * @param bound the driver that has it now
 * @param driver null: none
 */
export function bindCommands(address: string, bound: string | undefined, driver: string | null): string {
  const folder = `${PCI_DEVICES}/${address}`
  const unbind = bound === undefined ? [] : [`echo ${address} > ${folder}/driver/unbind`]
  if (driver === null) return `as root: ${unbind.join('')}`
  const commands = [
    `modprobe ${driver}`,
    `echo ${driver} > ${folder}/driver_override`,
    ...unbind,
    `echo ${address} > /sys/bus/pci/drivers_probe`,
  ]
  return `as root: ${commands.join(' && ')}`
}

/** Drivers that leave their devices to user space: nothing of the machine depends on what they have. */
const FOR_USER_SPACE = /(^|[-_])(vfio|uio)([-_]|$)/

/**
 * What to say before any advice to take a device from its driver: empty where it has none, or one that is for user space.
 * The machine may need the device, and on the real kernel it may have been meant to be a fake one.
 * @param bound the driver that has it now
 * @example
 * ```ts
 * const hint = `${bindWarning(kernel, driver)}${bindCommands(address, driver, 'vfio-pci')}`
 * ```
 */
export function bindWarning({ name }: Kernel, bound: string | undefined): string {
  if (bound === undefined || FOR_USER_SPACE.test(bound)) return ''
  const forTests = name === 'linux' ? ', and in a test pass { kernel: machine.kernel }' : ''
  return `${bound} drives it now: be sure that nothing of this machine needs it${forTests}; then `
}
