import { DmaError, type Kernel } from '@linux-dma/core'
import { bindCommands, bindWarning, parsePciAddress, readPciDevice } from '@linux-dma/pci'
import { devicesAndGone, howToGetOne, readUioDevice } from './list-devices'
import type { UioDeviceInfo, UioSelector } from './uio-device-info'

/**
 * Finds the one UIO device that is meant. Numbers of nodes change from boot to boot: a name or a PCI address does not.
 * @param selector `uio0`, `/dev/uio0`, 0, the PCI address `0000:00:04.0` or `{ pci: '0000:00:04.0' }`, or `{ name: 'my-device' }`
 * @throws DMA_INVALID_ARGUMENT; DMA_NO_DEVICE; DMA_AMBIGUOUS where several have the name or the PCI device; DMA_NOT_BOUND for
 *   a PCI device that has no UIO driver
 * @example
 * ```ts
 * const { node } = findUioDevice(kernel, { pci: '0000:00:04.0' })
 * ```
 */
export function findUioDevice(kernel: Kernel, selector: UioSelector): UioDeviceInfo {
  if (typeof selector === 'number' || typeof selector === 'string') {
    const node = typeof selector === 'number' ? `uio${selector}` : selector.replace(/^\/dev\//, '')
    if (/^uio\d+$/.test(node)) return readUioDevice(kernel, node)
    if (typeof selector === 'string' && selector.includes(':'))
      return byPci(kernel, parsePciAddress(selector))
    throw notASelector(`'${selector}'`)
  }
  if (typeof selector !== 'object' || selector === null) throw notASelector(String(selector))
  const { name, pci } = selector as { name?: unknown; pci?: unknown }
  if (name !== undefined && pci !== undefined)
    throw notASelector('{ name, pci }', 'pass one of name and pci: ')
  const known = Object.keys(selector).every((key) => key === 'name' || key === 'pci')
  if (known && typeof name === 'string') return byName(kernel, name)
  if (known && pci !== undefined) return byPci(kernel, parsePciAddress(pci as string))
  throw notASelector(`{ ${Object.keys(selector).join(', ')} }`)
}

function notASelector(what: string, advice = ''): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `${what} does not say which UIO device is meant`, {
    hint: `${advice}'uio0', '/dev/uio0', 0, a PCI address as '0000:00:04.0' or { pci: '0000:00:04.0' }, or { name: 'uio_pci_generic' }; listUioDevices() has all`,
  })
}

function byName(kernel: Kernel, name: string): UioDeviceInfo {
  const { devices, gone: cause } = devicesAndGone(kernel)
  const names = [...new Set(devices.map((device) => device.name))]
  return theOnly(
    devices.filter((device) => device.name === name),
    `is called '${name}'`,
    () =>
      new DmaError('DMA_NO_DEVICE', `no UIO device is called '${name}'`, {
        hint: names.length > 0 ? `there are: ${names.join(', ')}` : howToGetOne(),
        cause,
      }),
  )
}

function byPci(kernel: Kernel, address: string): UioDeviceInfo {
  const { devices, gone: cause } = devicesAndGone(kernel)
  return theOnly(
    devices.filter((device) => device.pci?.address === address),
    `is of ${address}`,
    () => {
      const { driver } = readPciDevice(kernel, address)
      return new DmaError(
        'DMA_NOT_BOUND',
        `${address} is bound to ${driver ?? 'no driver'}, not to a UIO driver`,
        {
          hint: `${bindWarning(kernel, driver)}bindDriver('${address}', 'uio_pci_generic') of @linux-dma/pci, or ${bindCommands(address, driver, 'uio_pci_generic')}`,
          cause,
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
