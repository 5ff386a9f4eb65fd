import { checkInteger } from '../arguments'
import { invalidArgument } from '../errors'
import { DeviceModel, type InterruptLayout, type PciIdentity } from './device-model'

const msiCounts = [1, 2, 4, 8, 16, 32]

/** What a device says of itself, beside its BARs. */
interface Described {
  readonly identity: PciIdentity
  readonly interrupts?: InterruptLayout | undefined
  readonly dmaMaskBits?: number | undefined
}

/** @throws `DMA_INVALID_ARGUMENT` for what is no model, or for one that says what no device can be */
export function checkModel(model: DeviceModel): void {
  if (!(model instanceof DeviceModel)) {
    invalidArgument('addDevice: this is no device model', 'pass an object: machine.addDevice(new MyDevice())')
  }
  checkDescribed(model, model.constructor.name)
}

/** @param name what the device is called, for the message @throws `DMA_INVALID_ARGUMENT` */
export function checkDescribed({ identity, interrupts = {}, dmaMaskBits }: Described, name: string): void {
  if (!Number.isInteger(identity?.vendor) || !Number.isInteger(identity.device)) {
    invalidArgument(`${name} has no identity`, 'give it identity = { vendor: 0x1234, device: 0x5678 }')
  }
  checkIdentity(identity, name)
  checkInteger(dmaMaskBits ?? 64, `${name}: dmaMaskBits`, 1, 64)
  const { msi, msix } = interrupts
  if (msi !== undefined && !msiCounts.includes(msi)) {
    invalidArgument(`${name} has ${msi} MSI vectors`, `a device has ${msiCounts.join(', ')} of them`)
  }
  if (msix && !(Number.isInteger(msix.vectors) && msix.vectors >= 1 && msix.vectors <= 2048)) {
    invalidArgument(`${name} has ${msix.vectors} MSI-X vectors`, 'a device has 1 to 2048 of them')
  }
}

/** More bits than a field of configuration space has would be lost there without a word. */
function checkIdentity(identity: PciIdentity, name: string): void {
  const { vendor, device, revision = 0, classCode = 0, subsystemVendor = 0, subsystemDevice = 0 } = identity
  const ids = { vendor, device, subsystemVendor, subsystemDevice }
  for (const [field, value] of Object.entries(ids)) checkInteger(value, `${name}: ${field}`, 0, 0xffff)
  checkInteger(revision, `${name}: revision`, 0, 0xff)
  checkInteger(classCode, `${name}: classCode`, 0, 0xff_ffff)
}
