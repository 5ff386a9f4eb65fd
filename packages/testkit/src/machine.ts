import type { DmaCheckerView, Kernel } from '@linux-dma/native'
import type { FakeClock } from './clock'
import type { StaleBytes } from './coherence/machine-caches'
import type { Disturbance, DisturbanceOptions } from './disturb/options'
import type { HeapOptions } from './dma-buf/heaps'
import type { FakeImporter, ImportOptions } from './dma-buf/importer'
import type { PlannedFailure } from './fault-plan'
import type { DmaFault } from './iommu/dma-path'
import { FakeMachineCore } from './machine-core'
import { checkMachineOptions, type FakeMachineOptions } from './machine-options'
import type { DeviceModel } from './models/device-model'
import type { LogEntry } from './pci/function'
import type { PlatformDeviceOptions } from './platform/bus'
import type { Random } from './prng'
import type { Capability } from './process'
import type { LiveTrace } from './trace/trace-event'
import type { FakeUDmaBuf } from './u-dma-buf/driver'
import type { UDmaBufParameters } from './u-dma-buf/parameters'
import type { UioInfo } from './uio/info'
import type { FakeUio } from './uio/register'
import type { UioDmaMemory } from './uio/uio-class'

/** Where a device is plugged in. */
export interface AddDeviceOptions {
  /** PCI address, such as `0000:00:04.0`. By default the next free slot, from 4 on. */
  address?: string
  /**
   * Driver that has the device from the start; null for none. `vfio-pci` by default (none where there is no IOMMU).
   * `uio_pci_generic` is the other one that does anything: any other name stands for a driver that holds the device.
   */
  driver?: string | null
  /** IOMMU group: a number of 0 or more. By default one that no other device is in. */
  group?: number
}

/** A Linux machine that is an object: pass `machine.kernel` wherever a package takes a `kernel`. */
export interface FakeMachine {
  readonly kernel: Kernel
  readonly clock: FakeClock
  readonly random: Random
  /** Device accesses that the IOMMU refused, oldest first: the first 1,000. The trace has the last ones. */
  readonly faults: readonly DmaFault[]
  /**
   * What devices complained about, and drivers of the kernel, oldest first: the first 1,000 lines of each device, and one that counts the
   * rest. The trace has the last ones.
   */
  readonly log: readonly LogEntry[]
  /** What the packages warned of, such as a device that was forgotten without `close()`, oldest first. */
  readonly warnings: readonly Error[]
  /**
   * What was done wrong with the DMA API, and what devices did wrong with it, oldest first: of a checker that looks after all devices of the
   * machine, a `DmaReport` of core each. The first 1,000 are kept; {@link assertNoDmaErrors} counts them all.
   */
  readonly dmaErrors: readonly Error[]
  /** That checker, from when the first device is opened: a `DmaChecker` of core. Undefined before that, and with `checks: 'off'`. */
  readonly checker: DmaCheckerView | undefined
  /**
   * What happened, oldest first: every map, sync and unmap, register access, DMA, fault, interrupt, misuse and line of {@link log}, with its
   * virtual time. The last 10,000 events are kept; none with `trace: false`.
   * @example
   * ```ts
   * const writes = machine.trace.events.filter((event) => event.kind === 'register' && event.access === 'write')
   * ```
   */
  readonly trace: LiveTrace
  /**
   * Plugs a device in and returns it.
   * @throws `DMA_INVALID_ARGUMENT`; `DMA_ALREADY_ATTACHED` for a model that is plugged in already; what the driver refuses it
   * with: it is not plugged in then
   */
  addDevice<Model extends DeviceModel>(model: Model, options?: AddDeviceOptions): Model
  /**
   * Puts a device into the machine that is on no bus, as a board or a device tree describes it, and returns it.
   * @throws `DMA_INVALID_ARGUMENT`; `DMA_ALREADY_ATTACHED`; what the driver refuses it with
   */
  addPlatformDevice<Model extends DeviceModel>(model: Model, options?: PlatformDeviceOptions): Model
  /**
   * Registers a UIO device, as a driver of the kernel does it with uio_register_device(). It belongs to a platform device
   * that is made for it, and can be unbound and bound again in sysfs.
   * @throws `DMA_INVALID_ARGUMENT`; `ENOMEM`
   * @example
   * ```ts
   * const uio = machine.registerUio({ name: 'counter', version: '1', irq: 'custom' })
   * uio.notify()
   * ```
   */
  registerUio(info: UioInfo): FakeUio
  /**
   * Adds a DMA-BUF heap of contiguous memory that is set aside for it (CMA): `/dev/dma_heap/NAME`. The heap `system` is there
   * from the start.
   * @throws `DMA_INVALID_ARGUMENT`
   */
  addHeap(name: string, options: HeapOptions): void
  /**
   * Imports the dma-buf behind a descriptor into a device, as a display or a GPU does it: it sees the bytes, and can hold back
   * the CPU by fences.
   * @throws `DMA_INVALID_ARGUMENT`; `EBADF`; `EINVAL` for what is no dma-buf
   * @example
   * ```ts
   * const display = machine.importDmaBuf(buffer.fd)
   * const fence = display.addFence('read')
   * machine.clock.schedule(16, () => fence.signal())
   * ```
   */
  importDmaBuf(fd: number, options?: ImportOptions): FakeImporter
  /**
   * Has the kernel module u-dma-buf make a buffer, and loads that where it is the first: `/dev/udmabuf0`. It can be unbound and bound
   * again in sysfs.
   * @throws `DMA_INVALID_ARGUMENT`; `ENOMEM` where no memory in one piece lies below so many address bits
   * @example
   * ```ts
   * const { dmaAddress } = machine.addUDmaBuf({ size: 1 << 20, dmaMaskBits: 28, dmaCoherent: false })
   * ```
   */
  addUDmaBuf(options: UDmaBufParameters): FakeUDmaBuf
  /**
   * Pulls a device out without asking: registers read as ones, nothing it does has an effect, and what is open of it in sysfs
   * answers `ENODEV`.
   */
  removeDevice(model: DeviceModel): void
  /**
   * Has something go wrong with a device, again and again until it is stopped: its interrupts, what it writes to memory and reads from it,
   * its registers, its link. Several at a time work together: the first one is nearest to the device. Equal seeds, equal programs: equal hits.
   * @throws `DMA_INVALID_ARGUMENT`
   * @example
   * ```ts
   * machine.disturb(nic, { interrupt: 'lost', nth: 3 })
   * machine.disturb(nic, { dmaWrite: 'late', byMilliseconds: 2, every: 2 })
   * using outage = machine.disturb(nic, { link: 'down', afterMilliseconds: 5, forMilliseconds: 10 })
   * ```
   */
  disturb(model: DeviceModel, options: DisturbanceOptions): Disturbance
  /** Makes a coming system call fail although nothing is wrong with it. @throws `DMA_INVALID_ARGUMENT` */
  failCall(failure: PlannedFailure): void
  /** Becomes another user. Open descriptors stay open. */
  setUid(uid: number): void
  /** Changes the capabilities; undefined for those that go with the user id. */
  setCapabilities(capabilities: readonly Capability[] | undefined): void
  /** Changes RLIMIT_MEMLOCK, in bytes. What is locked stays locked. */
  setMemlockLimit(bytes: number): void
  /** Changes RLIMIT_NOFILE. What is open stays open. */
  setOpenFileLimit(count: number): void
  /** Boots, as it were, another kernel: what `kernelRelease` of the options says, for drivers that are bound from now on. */
  setKernelRelease(release: string): void
  /** Loads another UIO core: what `uioDmaMemory` of the options says, for UIO devices that are registered from now on. */
  setUioDmaMemory(variant: UioDmaMemory): void
  /** Path of the VFIO node of a device's IOMMU group, such as `/dev/vfio/1`. @throws `DMA_INVALID_ARGUMENT` */
  groupNode(address: string): string
  /** chown(1), as a udev rule or an administrator does it. @throws `ENOENT` */
  chown(path: string, uid: number, gid?: number): void
  /** chmod(1). @throws `ENOENT` */
  chmod(path: string, mode: number): void
  /** Permission bits and owner of a file, as stat(1) shows them. @throws `ENOENT` */
  stat(path: string): { mode: number; uid: number; gid: number }
  /** Forgets {@link faults}: after a test that makes a device go astray on purpose. */
  clearFaults(): void
  /** Forgets {@link dmaErrors}: after a test that does something wrong on purpose. */
  clearDmaErrors(): void
  /**
   * Checks that nothing was done wrong with DMA.
   * @throws `DMA_DEBUG` with all of {@link dmaErrors}
   */
  assertNoDmaErrors(): void
  /**
   * What devices wrote and the CPU has not been shown by a sync or an unmap, of a view of memory or of all there is: a machine whose
   * `coherence` is 'write-back' knows. What was never meant to be looked at is in it, too, and, where
   * all there is is asked for, what memory had in it that is closed. None on other machines.
   * @throws `DMA_INVALID_ARGUMENT`
   */
  stale(bytes?: ArrayBufferView): StaleBytes[]
  /**
   * Checks that the CPU has been shown what devices wrote to a view of memory: to be called before a driver looks at it.
   * @throws `DMA_STALE` with the first bytes that are out of date, who wrote them, when, and what was left out; `DMA_INVALID_ARGUMENT`
   * @example
   * ```ts
   * machine.assertNotStale(packet)
   * ```
   */
  assertNotStale(bytes: ArrayBufferView): void
  /**
   * Checks that a program took back everything it had: descriptors, mappings, pinned memory, interrupts, watches.
   * @throws `DMA_LEAK` with a line for each thing that is left
   */
  assertQuiescent(): void
}

/**
 * Makes a fake Linux machine: a kernel with VFIO and UIO, a PCI bus, an IOMMU and a virtual clock. It needs no native addon
 * and runs on any platform. Two machines know nothing of each other.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const machine = createFakeMachine()
 * const edu = machine.addDevice(new EduDevice())
 * const device = openVfioDevice(edu.address, { kernel: machine.kernel })
 * ```
 */
export function createFakeMachine(options: FakeMachineOptions = {}): FakeMachine {
  return new FakeMachineCore(checkMachineOptions(options))
}
