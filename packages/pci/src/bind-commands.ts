import { PCI_DEVICES } from './pci-address'

/** Commands that bind a device to a driver, to show in a hint. */
export function bindCommands(address: string, bound: string | undefined, driver: string): string {
  const folder = `${PCI_DEVICES}/${address}`
  return [
    `as root: modprobe ${driver}`,
    `echo ${driver} > ${folder}/driver_override`,
    ...(bound ? [`echo ${address} > ${folder}/driver/unbind`] : []),
    `echo ${address} > /sys/bus/pci/drivers_probe`,
  ].join(' && ')
}
