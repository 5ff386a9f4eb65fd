import { DmaError } from '@linux-dma/core'

const PATTERN = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i

/** Where sysfs keeps PCI devices, by address. */
export const PCI_DEVICES = '/sys/bus/pci/devices'

/**
 * A PCI address in the form sysfs has it: lower case, with the domain (0000 where none is given).
 * @throws DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * console.log(parsePciAddress('04:1F.0')) // 0000:04:1f.0
 * ```
 */
export function parsePciAddress(text: string): string {
  const match = typeof text === 'string' ? PATTERN.exec(text.trim()) : null
  if (!match) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `'${String(text)}' is not a PCI address`, {
      hint: "write domain:bus:device.function in hexadecimal, for example '0000:00:04.0'; 'lspci -D' lists them",
    })
  }
  const [, domain = '0', bus, device, fn] = match
  // Some tools write eight digits; sysfs writes four, and more only where they are needed.
  const digits = Number.parseInt(domain, 16).toString(16).padStart(4, '0')
  return `${digits}:${bus}:${device}.${fn}`.toLowerCase()
}
