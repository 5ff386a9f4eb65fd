export type { FakeClock, ScheduledEvent } from './clock'
export type { PlannedFailure } from './fault-plan'
export type { DmaFault } from './iommu/dma-path'
export { type AddDeviceOptions, createFakeMachine, type FakeMachine } from './machine'
export type { FakeMachineOptions } from './machine-options'
export {
  type AccessWidth,
  type BarLayout,
  DeviceModel,
  type DeviceSlot,
  type DmaEngine,
  type InterruptLayout,
  type PciIdentity,
} from './models/device-model'
export { E1000Device, type E1000Options } from './models/e1000'
export { EduDevice, type EduOptions } from './models/edu'
export type { LogEntry } from './pci/function'
export { createRandom, type Random } from './prng'
export type { Capability } from './process'
