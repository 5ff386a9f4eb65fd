import { assertOptions, DmaError, type Kernel } from '@linux-dma/core'
import { bindCommands, parsePciAddress, readPciDevice } from '@linux-dma/pci'
import { HOW_TO_GET_ONE, listUioDevices, readUioDevice } from './list-devices'
import type { UioDeviceInfo, UioSelector } from './uio-device-info'

/**
 * Finds the one UIO device that is meant. Numbers of nodes change from boot to boot: a name or a PCI address does not.
 * @param selector `uio0`, `/dev/uio0`, 0, `{ name: 'my-device' }` or `{ pci: '0000:00:04.0' }`
 * @throws DMA_INVALID_ARGUMENT; DMA_NO_DEVICE; DMA_AMBIGUOUS where several have the name or the PCI device; DMA_NOT_BOUND for
 *   a PCI device that has no UIO driver
 * @example
 * ```ts
 * const { node } = findUioDevice(kernel, { pci: '0000:00:04.0' })
 * ```
 */
export function findUioDevice(kernel: Kernel, selector: UioSelector): UioDeviceInfo {
  if (typeof selector === 'number' || typeof selector === 'string') {
    return readUioDevice(kernel, nodeOf(selector))
  }
  assertOptions('a UIO device', selector, ['name', 'pci'])
  if ('name' in selector && !('pci' in selector) && typeof selector.name === 'string') {
    return byName(kernel, selector.name)
  }
  if ('pci' in selector && !('name' in selector)) return byPci(kernel, parsePciAddress(selector.pci))
  throw notASelector('an object')
}

function nodeOf(selector: string | number): string {
  const node = typeof selector === 'number' ? `uio${selector}` : selector.replace(/^\/dev\//, '')
  if (/^uio\d+$/.test(node)) return node
  throw notASelector(`'${selector}'`)
}

function notASelector(what: string): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `${what} says of no UIO device which is meant`, {
    hint: "'uio0', '/dev/uio0', 0, { name: 'uio_pci_generic' } or { pci: '0000:00:04.0' }; listUioDevices() has all",
  })
}

function byName(kernel: Kernel, name: string): UioDeviceInfo {
  const devices = listUioDevices({ kernel })
  const names = [...new Set(devices.map((device) => device.name))]
  return theOnly(
    devices.filter((device) => device.name === name),
    `is called '${name}'`,
    () =>
      new DmaError('DMA_NO_DEVICE', `no UIO device is called '${name}'`, {
        hint: names.length > 0 ? `there are: ${names.join(', ')}` : HOW_TO_GET_ONE,
      }),
  )
}

function byPci(kernel: Kernel, address: string): UioDeviceInfo {
  return theOnly(
    listUioDevices({ kernel }).filter((device) => device.pci?.address === address),
    `is of ${address}`,
    () => {
      const { driver } = readPciDevice(kernel, address)
      return new DmaError(
        'DMA_NOT_BOUND',
        `${address} is bound to ${driver ?? 'no driver'}, not to a UIO driver`,
        {
          hint: `bindDriver('${address}', 'uio_pci_generic') of @linux-dma/pci, or ${bindCommands(address, driver, 'uio_pci_generic')}`,
        },
      )
    },
  )
}

function theOnly(found: readonly UioDeviceInfo[], what: string, none: () => DmaError): UioDeviceInfo {
  const [first, ...others] = found
  if (first === undefined) throw none()
  if (others.length === 0) return first
  throw new DmaError('DMA_AMBIGUOUS', `more than one UIO device ${what}`, {
    hint: `take one of them: ${found.map(describe).join(', ')}`,
  })
}

function describe({ node, pci, devicePath }: UioDeviceInfo): string {
  return pci === undefined ? `'${node}' (${devicePath})` : `'${node}', or { pci: '${pci.address}' }`
}
