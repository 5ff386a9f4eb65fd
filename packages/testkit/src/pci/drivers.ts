import type { BusDriver, DriverCore } from '../drivers/driver-core'
import { fail } from '../errors'
import type { PciFunction } from './function'

/** A driver of PCI devices. */
export interface PciDriver extends BusDriver<PciFunction> {
  /** Vendor and device ids that `new_id` added. */
  readonly ids: Set<string>
}

/** Which driver has which PCI device. */
export type PciDriverCore = DriverCore<PciFunction, PciDriver>

/** Whether a driver has the device's ids. */
export function knowsPciDevice(driver: PciDriver, { model: { identity } }: PciFunction): boolean {
  return driver.ids.has(`${identity.vendor}:${identity.device}`)
}

/** Writing `vendor device` in hexadecimal to a driver's `new_id`, which also binds what now matches. */
export function addPciId(core: PciDriverCore, driver: PciDriver, text: string): void {
  const [vendor, device] = text.trim().split(/\s+/)
  if (!isHexadecimal(vendor) || !isHexadecimal(device)) fail('EINVAL', 'write two hexadecimal numbers')
  const id = `${Number.parseInt(vendor, 16)}:${Number.parseInt(device, 16)}`
  if (driver.ids.has(id)) fail('EEXIST')
  driver.ids.add(id)
  core.attachAll(driver)
}

function isHexadecimal(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{1,8}$/i.test(text)
}
