import { type DmaCheckerView, DmaError } from '@linux-dma/native'
import { checkOptionNames } from './arguments'
import type { VirtualClock } from './clock'
import { checkView, type StaleBytes } from './coherence/machine-caches'
import type { Disturbance, DisturbanceOptions } from './disturb/options'
import { addContiguousHeap, type HeapOptions } from './dma-buf/heaps'
import { type FakeImporter, type ImportOptions, importDmaBuf } from './dma-buf/importer'
import { invalidArgument, SystemFailure, systemError } from './errors'
import type { FaultPlan, PlannedFailure } from './fault-plan'
import type { DmaFault } from './iommu/dma-path'
import type { DescriptorTable } from './kernel/descriptor-table'
import type { FakeKernel } from './kernel/fake-kernel'
import type { Waiters } from './kernel/waiters'
import type { AddDeviceOptions, FakeMachine } from './machine'
import type { CheckedOptions } from './machine-options'
import { assembleMachine } from './machine-parts'
import type { MappingOwner } from './memory/mapping'
import { checkModel } from './models/check-model'
import type { DeviceModel } from './models/device-model'
import type { LogEntry } from './pci/function'
import type { PlatformDeviceOptions } from './platform/bus'
import type { Random } from './prng'
import type { Capability } from './process'
import { leakReport, tellLeaks } from './quiescence'
import type { LiveTrace } from './trace/trace-event'
import type { FakeUDmaBuf } from './u-dma-buf/driver'
import type { UDmaBufParameters } from './u-dma-buf/parameters'
import type { UioInfo } from './uio/info'
import { type FakeUio, registerUio } from './uio/register'
import type { UioDmaMemory } from './uio/uio-class'
import type { VfioPciDriver } from './vfio/driver'

/** What can be done with a machine from outside; see {@link FakeMachine} for each method. */
export class FakeMachineCore implements FakeMachine {
  readonly kernel: FakeKernel
  readonly clock: VirtualClock
  readonly random: Random
  readonly faults: readonly DmaFault[]
  readonly log: readonly LogEntry[]
  readonly warnings: readonly Error[]
  readonly waiters: Waiters
  readonly descriptors: DescriptorTable
  readonly open: MappingOwner['open']
  readonly vfio: VfioPciDriver
  readonly faultPlan: FaultPlan
  readonly #parts: ReturnType<typeof assembleMachine>

  constructor(options: CheckedOptions) {
    const parts = assembleMachine(options)
    this.kernel = parts.kernel
    this.clock = parts.clock
    this.random = parts.random
    this.faults = parts.faults
    this.log = parts.log
    this.warnings = parts.warnings
    this.waiters = parts.waiters
    this.descriptors = parts.descriptors
    this.open = parts.open
    this.vfio = parts.vfio
    this.faultPlan = parts.faultPlan
    this.#parts = parts
  }

  addDevice<Model extends DeviceModel>(model: Model, options: AddDeviceOptions = {}): Model {
    checkModel(model)
    checkOptionNames(options, ['address', 'driver', 'group'], 'addDevice')
    this.#administer('bind', options.address, () => this.#parts.pci.add(model, options))
    return model
  }

  addPlatformDevice<Model extends DeviceModel>(model: Model, options: PlatformDeviceOptions = {}): Model {
    checkModel(model)
    this.#administer('bind', options.name, () => this.#parts.platform.add(model, options))
    return model
  }

  registerUio(info: UioInfo): FakeUio {
    return this.#administer('uio_register_device', info?.name, () =>
      registerUio(info, this.#parts.registerParts),
    )
  }

  addHeap(name: string, options: HeapOptions): void {
    addContiguousHeap(name, options, this.#parts.kernelParts)
  }

  importDmaBuf(fd: number, options: ImportOptions = {}): FakeImporter {
    return this.#administer('dma_buf_get', undefined, () =>
      importDmaBuf(fd, options, this.#parts.kernelParts),
    )
  }

  addUDmaBuf(options: UDmaBufParameters): FakeUDmaBuf {
    return this.#administer('insmod', options?.name, () => this.#parts.uDmaBufs.add(options))
  }

  removeDevice(model: DeviceModel): void {
    if (!this.#parts.remove(model)) invalidArgument('the device is not plugged into this machine')
  }

  disturb(model: DeviceModel, options: DisturbanceOptions): Disturbance {
    return this.#parts.disturbances.add(model, options)
  }

  clearFaults(): void {
    this.#parts.faults.length = 0
  }

  failCall(failure: PlannedFailure): void {
    this.faultPlan.add(failure)
  }

  setUid(uid: number): void {
    this.#parts.process.setUid(uid)
  }

  setCapabilities(capabilities: readonly Capability[] | undefined): void {
    this.#parts.process.setCapabilities(capabilities)
  }

  setMemlockLimit(bytes: number): void {
    this.#parts.process.setMemlockLimit(bytes)
  }

  setOpenFileLimit(count: number): void {
    this.#parts.process.setOpenFileLimit(count)
  }

  setKernelRelease(release: string): void {
    this.#parts.setKernelRelease(release)
  }

  setUioDmaMemory(variant: UioDmaMemory): void {
    this.#parts.setUioDmaMemory(variant)
  }

  groupNode(address: string): string {
    const group = this.#parts.pci.find(address)?.group
    if (group === undefined) return invalidArgument(`no device at '${address}' that is in an IOMMU group`)
    return `/dev/vfio/${group}`
  }

  chown(path: string, uid: number, gid = uid): void {
    this.#administer('chown', path, () => this.#parts.fs.changeOwner(path, uid, gid))
  }

  chmod(path: string, mode: number): void {
    this.#administer('chmod', path, () => this.#parts.fs.changeMode(path, mode))
  }

  stat(path: string): { mode: number; uid: number; gid: number } {
    return this.#administer('stat', path, () => this.#parts.fs.stat(path))
  }

  get dmaErrors(): readonly Error[] {
    return this.#parts.kernelParts.dmaErrors?.errors ?? []
  }

  get checker(): DmaCheckerView | undefined {
    return this.#parts.kernelParts.dmaErrors?.checker
  }

  get trace(): LiveTrace {
    return this.#parts.trace
  }

  clearDmaErrors(): void {
    this.#parts.kernelParts.dmaErrors?.clear()
  }

  assertNoDmaErrors(): void {
    this.#parts.kernelParts.dmaErrors?.assertNone()
  }

  stale(bytes?: ArrayBufferView): StaleBytes[] {
    return this.#parts.kernelParts.caches?.stale(bytes && checkView(bytes)) ?? []
  }

  assertNotStale(bytes: ArrayBufferView): void {
    const { caches, trace } = this.#parts.kernelParts
    const view = checkView(bytes)
    try {
      caches?.assertNotStale(view)
    } catch (error) {
      // What a test stumbles on is to be seen in its place among all that went before.
      trace?.misuse(error as Error)
      throw error
    }
  }

  /** {@link faults}, but for those of devices that were disturbed. */
  ownFaults(): DmaFault[] {
    const { faults, excusedFaults } = this.#parts
    return faults.filter((fault) => !excusedFaults.has(fault))
  }

  /** What a test cannot have seen: see `MachineCaches.unshown()`. */
  unshown(): StaleBytes[] {
    return this.#parts.kernelParts.caches?.unshown() ?? []
  }

  assertQuiescent(): void {
    const leaks = leakReport(this)
    if (leaks.length === 0) return
    throw new DmaError('DMA_LEAK', tellLeaks(leaks, this), {
      hint: "close what was opened: 'using device = …' does it at the end of the block",
    })
  }

  #administer<Result>(syscall: string, path: string | undefined, run: () => Result): Result {
    try {
      return run()
    } catch (error) {
      throw error instanceof SystemFailure ? systemError(error, syscall, path) : error
    }
  }
}
