import { PCI_DEVICES } from './pci-address'

/**
 * Commands that give a device to a driver, or take it from the one that has it, to show in a hint.
 * @param bound the driver that has it now
 * @param driver null: none
 */
export function bindCommands(address: string, bound: string | undefined, driver: string | null): string {
  const folder = `${PCI_DEVICES}/${address}`
  const commands = [
    ...(driver === null ? [] : [`modprobe ${driver}`]),
    `echo ${driver ?? ''} > ${folder}/driver_override`.replace('echo  >', 'echo >'),
    ...(bound === undefined ? [] : [`echo ${address} > ${folder}/driver/unbind`]),
    ...(driver === null ? [] : [`echo ${address} > /sys/bus/pci/drivers_probe`]),
  ]
  return `as root: ${commands.join(' && ')}`
}
