import { checkInteger } from '../arguments'
import { invalidArgument } from '../errors'
import { DeviceModel } from './device-model'

const msiCounts = [1, 2, 4, 8, 16, 32]

/** @throws `DMA_INVALID_ARGUMENT` for what is no model, or for one that says what no device can be */
export function checkModel(model: DeviceModel): void {
  if (!(model instanceof DeviceModel)) {
    invalidArgument('addDevice: this is no device model', 'pass an object: machine.addDevice(new MyDevice())')
  }
  const name = model.constructor.name
  const { identity, interrupts } = model
  if (!Number.isInteger(identity?.vendor) || !Number.isInteger(identity.device)) {
    invalidArgument(`${name} has no identity`, 'give it identity = { vendor: 0x1234, device: 0x5678 }')
  }
  if (interrupts.msi !== undefined && !msiCounts.includes(interrupts.msi)) {
    invalidArgument(
      `${name} has ${interrupts.msi} MSI vectors`,
      `a device has ${msiCounts.join(', ')} of them`,
    )
  }
  checkInteger(model.dmaMaskBits ?? 64, `${name}: dmaMaskBits`, 1, 64)
  const { msix } = interrupts
  if (msix && !(Number.isInteger(msix.vectors) && msix.vectors >= 1 && msix.vectors <= 2048)) {
    invalidArgument(`${name} has ${msix.vectors} MSI-X vectors`, 'a device has 1 to 2048 of them')
  }
}
