export type { FakeClock, ScheduledEvent } from './clock'
export type { HeapOptions } from './dma-buf/heaps'
export type { FakeFence, FakeImporter, ImportOptions } from './dma-buf/importer'
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
export type { PlatformDeviceOptions } from './platform/bus'
export { createRandom, type Random } from './prng'
export type { Capability } from './process'
export type { FakeUDmaBuf } from './u-dma-buf/driver'
export type { UDmaBufParameters } from './u-dma-buf/parameters'
export type { UioAttribute, UioInfo, UioMem, UioPort } from './uio/info'
export type { FakeUio } from './uio/register'
export type { UioDmaMemory } from './uio/uio-class'
