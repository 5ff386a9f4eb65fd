import type { Behaviour, DeviceInside } from './behaviour'
import { checkDescription } from './check-description'
import { DefinedDevice } from './defined-device'
import type { DeviceDescription } from './description'

/**
 * Defines a fake device: what it is and which registers it has, and what they do.
 *
 * What comes back makes devices of that kind, each with a state of its own: a function, to be called once for each
 * `machine.addDevice()`. The behaviour is made once for each of them: of local variables, or an object of a class. Its
 * further parameters are those of the function.
 * @param description refused at once where registers overlap, are not aligned or do not fit
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const counter = defineDevice(
 *   {
 *     name: 'counter',
 *     identity: { vendor: 0x1234, device: 0x0002 },
 *     bars: [{ byteLength: 4096, registers: { total: { offset: 0, width: 32, access: 'ro' }, add: { offset: 4, width: 32, access: 'wo' } } }],
 *   },
 *   ({ registers }) => ({ onWrite: { add: (written) => { registers.total.value += written } } }),
 * )
 * const device = machine.addDevice(counter())
 * device.registers.total.value = 7
 * ```
 */
export function defineDevice<
  const Description extends DeviceDescription,
  Side = undefined,
  Options extends readonly unknown[] = [],
>(
  description: Description,
  behaviour: (
    device: DeviceInside<Description>,
    ...options: Options
  ) => Behaviour<Description, Side> = () => ({}),
): (...options: Options) => DefinedDevice<Description, Side> {
  checkDescription(description)
  return (...options) => new DefinedDevice(description, (device) => behaviour(device, ...options))
}
