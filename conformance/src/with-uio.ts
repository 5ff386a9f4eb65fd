import assert from 'node:assert/strict'
import type { Kernel } from '@linux-dma/core'
import { bindDriver, PCI_DEVICES } from '@linux-dma/pci'
import { listUioDevices, openUio, type UioDevice, type UioDeviceInfo } from '@linux-dma/uio'
import type { Host } from './host'
import { withoutLeaks } from './with-device'

/** The command register, and the bits of it that the suites look at. */
const COMMAND = 0x04
export const BUS_MASTER = 0x04
export const INTX_DISABLE = 0x400

/** Gives a PCI device to uio_pci_generic for one test, then back to whoever had it; checks that the test left nothing. */
export async function withUioBound(
  host: Host,
  address: string,
  test: (info: UioDeviceInfo) => void | Promise<void>,
): Promise<void> {
  const { kernel } = host
  const before = bindDriver(address, 'uio_pci_generic', { kernel })
  try {
    await withoutLeaks(host, () => test(uioOf(kernel, (info) => info.pci?.address === address)))
  } finally {
    bindDriver(address, before ?? null, { kernel })
  }
}

/** The same with the edu device, opened. */
export async function withUio(host: Host, test: (device: UioDevice) => void | Promise<void>): Promise<void> {
  await withUioBound(host, host.edu, async ({ node }) => {
    using device = openUio(node, { kernel: host.kernel })
    await test(device)
  })
}

/** The only UIO device that is meant. */
export function uioOf(kernel: Kernel, wanted: (info: UioDeviceInfo) => boolean): UioDeviceInfo {
  const [info, other] = listUioDevices({ kernel }).filter(wanted)
  assert.ok(info && !other, 'one UIO device has to be there')
  return info
}

/** The command register of a PCI device, read past every package. */
export function commandOf(host: Host, address = host.edu): number {
  const fd = host.kernel.open(`${PCI_DEVICES}/${address}/config`, 0)
  try {
    const bytes = new Uint8Array(2)
    host.kernel.read(fd, bytes, COMMAND)
    return bytes[0]! | (bytes[1]! << 8)
  } finally {
    host.kernel.close(fd)
  }
}

/** Writes it, as another program might. */
export function writeCommand(host: Host, value: number, address = host.edu): void {
  const fd = host.kernel.open(`${PCI_DEVICES}/${address}/config`, 2)
  try {
    host.kernel.write(fd, Uint8Array.of(value & 0xff, value >> 8), COMMAND)
  } finally {
    host.kernel.close(fd)
  }
}

/** Lets time pass until something holds that has to come about by itself. */
export async function until(kernel: Kernel, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await kernel.clock.sleep(5)
  assert.ok(holds(), 'it never came about')
}

/** What a system call answers: its result, or the name of the errno. */
export function outcome<Result>(call: () => Result): Result | string {
  try {
    return call()
  } catch (error) {
    return (error as { code: string }).code
  }
}
