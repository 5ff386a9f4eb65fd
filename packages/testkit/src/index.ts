export type { CheckSettings } from './check-settings'
export type { FakeClock, ScheduledEvent } from './clock'
export type { StaleBytes } from './coherence/machine-caches'
export type { Behaviour, DeviceInside, RegisterRead, RegisterWrite } from './define/behaviour'
export { defineDevice } from './define/define-device'
export type { DefinedDevice } from './define/defined-device'
export type {
  BarDescription,
  DeviceDescription,
  FieldDescription,
  RegisterAccessKind,
  RegisterDescription,
  WindowDescription,
} from './define/description'
export type { DescriptorRing, RingEntry, RingPlace } from './define/descriptor-ring'
export type { InterruptCauses, InterruptCausesOptions } from './define/interrupt-causes'
export {
  defineStruct,
  type StructDescription,
  type StructField,
  type StructLayout,
  type StructValues,
} from './define/struct-layout'
export type { TransferEngine, TransferEngineOptions } from './define/transfer-engine'
export type { DeviceRegister, DeviceRegisters, DeviceWindows, RegisterValue } from './define/typed-device'
export type {
  Disturbance,
  DisturbanceHit,
  DisturbanceOptions,
  DisturbanceTiming,
  DmaReadDisturbance,
  DmaWriteDisturbance,
  InterruptDisturbance,
  LinkDisturbance,
  RegisterDisturbance,
  SpuriousInterrupts,
} from './disturb/options'
export type { HeapOptions } from './dma-buf/heaps'
export type { FakeFence, FakeImporter, ImportOptions } from './dma-buf/importer'
export { linuxErrnos } from './fail-nth/errnos'
export { failNth } from './fail-nth/fail-nth'
export type { FailNthError } from './fail-nth/fail-nth-error'
export type {
  FailNthCall,
  FailNthFailure,
  FailNthOptions,
  FailNthResult,
  FailNthRun,
  FailNthScenario,
} from './fail-nth/types'
export type { PlannedFailure } from './fault-plan'
export type { DmaFault } from './iommu/dma-path'
export { type AddDeviceOptions, createFakeMachine, type FakeMachine } from './machine'
export type { FakeMachineOptions } from './machine-options'
export { type AhciController, type AhciOptions, type AhciSide, createAhciController } from './models/ahci'
export type { DiskOptions } from './models/ata-disk'
export {
  type CaptureCard,
  type CaptureCardOptions,
  type CaptureCardSide,
  createCaptureCard,
} from './models/capture-card'
export {
  type AccessWidth,
  type BarLayout,
  DeviceModel,
  type DeviceSlot,
  type DmaBurst,
  type DmaEngine,
  type InterruptLayout,
  type PciIdentity,
  type PendingTransfer,
} from './models/device-model'
export { E1000Device, type E1000Options } from './models/e1000'
export { EduDevice, type EduOptions } from './models/edu'
export {
  createMailboxFpga,
  type MailboxFpga,
  type MailboxFpgaOptions,
  type MailboxFpgaSide,
  type MailboxHandler,
} from './models/mailbox-fpga'
export { createRingNic, type RingNic, type RingNicOptions, type RingNicSide } from './models/ring-nic'
export type { LogEntry } from './pci/function'
export type { PlatformDeviceOptions } from './platform/bus'
export { createRandom, type Random } from './prng'
export type { Capability } from './process'
export { type ReportOptions, writeReport } from './report/write-report'
export type { FakeMachineFailure } from './runner/failure'
export type { FakeMachineTestOptions } from './runner/options'
export { type TestHooks, type UsedFakeMachine, useFakeMachine } from './runner/use-fake-machine'
export { type MachineTest, withFakeMachine } from './runner/with-fake-machine'
export { parseTrace } from './trace/parse-trace'
export { type Recording, type RecordOptions, recordTrace } from './trace/record/record-trace'
export type { OutsideAccess } from './trace/replay/replay-memory'
export {
  type Compared,
  type Divergence,
  type ReplayOptions,
  type ReplayResult,
  replayTrace,
} from './trace/replay/replay-trace'
export type {
  DmaEvent,
  FaultEvent,
  InterruptEvent,
  InterruptStage,
  LiveTrace,
  MapEvent,
  MisuseEvent,
  NoteEvent,
  RegisterEvent,
  SyncEvent,
  Trace,
  TraceDirection,
  TraceEvent,
  TraceFamily,
  UnmapEvent,
} from './trace/trace-event'
export type { FakeUDmaBuf } from './u-dma-buf/driver'
export type { UDmaBufParameters } from './u-dma-buf/parameters'
export type { UioAttribute, UioInfo, UioMem, UioPort } from './uio/info'
export type { FakeUio } from './uio/register'
export type { UioDmaMemory } from './uio/uio-class'
