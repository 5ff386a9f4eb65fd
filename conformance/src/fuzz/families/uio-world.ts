import { type Kernel, O_NONBLOCK, O_RDWR, type RegisterWindow } from '@linux-dma/native'
import { bindDriver, PCI_DEVICES } from '@linux-dma/pci'
import type { Host } from '../../host'
import { Handles } from '../handles'
import { bringToRest, register } from './edu-registers'

export const DRIVER = 'uio_pci_generic'
const COMMAND = 0x04
/** As firmware leaves it: ports, memory, SERR#. */
const AT_REST = 0x0103

/** The edu device under uio_pci_generic, and what a program has of it. */
export interface UioWorld {
  readonly kernel: Kernel
  readonly address: string
  readonly files: Handles<number>
  readonly windows: Handles<RegisterWindow>
  /** Its configuration space, and its registers by another way than UIO, which stay whatever becomes of the driver. */
  readonly config: number
  readonly registers: RegisterWindow
}

/** Binds the device. One file of it is open. */
export async function uioWorld({ kernel, edu: address }: Host): Promise<UioWorld> {
  const config = kernel.open(`${PCI_DEVICES}/${address}/config`, O_RDWR)
  const resource = kernel.open(`${PCI_DEVICES}/${address}/resource0`, O_RDWR)
  bindDriver(address, DRIVER, { kernel })
  const registers = kernel.mapRegisters(resource, { byteLength: 0x1000 })
  kernel.close(resource)
  const world: UioWorld = { kernel, address, files: new Handles(), windows: new Handles(), config, registers }
  quieten(world)
  await bringToRest(world)
  world.files.add(kernel.open(nodeOf(world), O_RDWR | O_NONBLOCK))
  return world
}

/** No interrupt is pending, and the bus is not mastered. */
export function quieten({
  kernel,
  config,
  registers,
}: Pick<UioWorld, 'kernel' | 'config' | 'registers'>): void {
  registers.write32(register.status, 0)
  registers.write32(register.acknowledge, 0xffff_ffff)
  kernel.write(config, Uint8Array.of(AT_REST & 0xff, AT_REST >> 8), COMMAND)
}

/** The device's node; of a device that is not bound, one that is not there. */
export function nodeOf({ kernel, address }: UioWorld): string {
  const folder = `${PCI_DEVICES}/${address}`
  const [name] = kernel.list(folder).includes('uio') ? kernel.list(`${folder}/uio`) : []
  return `/dev/${name ?? 'uio-none'}`
}

/** Closes all that the program has left, and unbinds the device. */
export function closeUioWorld(world: UioWorld): void {
  const { kernel, address, files, windows, config, registers } = world
  for (const window of windows.open()) window.close()
  for (const fd of files.open()) kernel.close(fd)
  quieten(world)
  registers.close()
  kernel.close(config)
  bindDriver(address, null, { kernel })
}
