export type { BarPart } from './bar'
export { openVfioDevice, VfioDevice, type VfioDeviceOptions } from './device'
export type { InterruptKind, InterruptOptions } from './interrupt-kind'
export { type Interrupt, InterruptStream } from './interrupt-stream'
