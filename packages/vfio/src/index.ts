export type { BarPart } from '@linux-dma/pci'
export { openVfioDevice, VfioDevice, type VfioDeviceOptions } from './device'
export type { InterruptKind, InterruptOptions } from './interrupt-kind'
export { VfioInterruptStream } from './vfio-interrupt-stream'
