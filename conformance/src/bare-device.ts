import { DmaDevice, type DmaOps, IoRegion } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import type { Host } from './host'
import { withoutLeaks } from './with-device'

const COMMAND = 0x04
const BUS_MASTER = 0x04

/**
 * Opens the edu device without any driver, through sysfs, as a device that goes by `ops`; closes it after the test, its
 * bus mastering first, and checks that nothing is left.
 */
export async function withBareDevice(
  host: Host,
  ops: DmaOps,
  test: (device: DmaDevice, registers: IoRegion) => void | Promise<void>,
): Promise<void> {
  const { kernel, edu } = host
  const folder = `/sys/bus/pci/devices/${edu}`
  await withoutLeaks(host, async () => {
    kernel.writeText(`${folder}/enable`, '1')
    const resource = kernel.open(`${folder}/resource0`, O_RDWR)
    const config = kernel.open(`${folder}/config`, O_RDWR)
    const setMaster = (on: boolean) => {
      const command = new Uint8Array(2)
      kernel.read(config, command, COMMAND)
      command[0] = on ? command[0]! | BUS_MASTER : command[0]! & ~BUS_MASTER
      kernel.write(config, command, COMMAND)
    }
    const window = kernel.mapRegisters(resource, { byteLength: 0x1000 })
    const registers = new IoRegion(window, { name: `${edu} BAR 0`, clock: kernel.clock })
    const device = new DmaDevice(edu, kernel, ops)
    try {
      setMaster(true)
      await test(device, registers)
    } finally {
      setMaster(false)
      device.close()
      registers.close()
      kernel.close(config)
      kernel.close(resource)
      kernel.writeText(`${folder}/enable`, '0')
    }
  })
}
