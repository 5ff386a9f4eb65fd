import { DmaError } from '@linux-dma/native'
import { checkInteger, checkOptionNames } from './arguments'
import { VirtualClock } from './clock'
import { invalidArgument, SystemFailure, systemError } from './errors'
import { FaultPlan, type PlannedFailure } from './fault-plan'
import { FileSystem } from './fs/file-system'
import { deviceNode } from './fs/nodes'
import { mountProc } from './fs/proc'
import { mountDescriptors } from './fs/proc-descriptors'
import type { DmaFault, DmaPath } from './iommu/dma-path'
import { blockedPath, physicalPath } from './iommu/fixed-paths'
import { DescriptorTable } from './kernel/descriptor-table'
import { FakeKernel } from './kernel/fake-kernel'
import { IoUringSwitch } from './kernel/pinned-pages'
import { Waiters } from './kernel/waiters'
import type { AddDeviceOptions, FakeMachine } from './machine'
import type { CheckedOptions } from './machine-options'
import { AddressSpace } from './memory/address-space'
import { FrameAllocator } from './memory/frames'
import { HugePages, mountHugePages } from './memory/huge-pages'
import type { MappingOwner } from './memory/mapping'
import { checkModel } from './models/check-model'
import type { DeviceModel } from './models/device-model'
import { type BusWindow, busWindow } from './pci/bar-layout'
import { DriverCore } from './pci/drivers'
import { type LogEntry, PciFunction } from './pci/function'
import { PciSysfs } from './pci/sysfs'
import { createRandom, type Random } from './prng'
import { type Capability, FakeProcess } from './process'
import { leakReport } from './quiescence'
import { UdmabufFile } from './udmabuf/udmabuf'
import { mountType1Parameters, ordinaryDriver, VfioPciDriver } from './vfio/driver'

const addressForm = /^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/
const vfioPci = 'vfio-pci'

/** Puts the parts of a machine together; see {@link FakeMachine} for what each method does. */
export class FakeMachineCore implements FakeMachine {
  readonly kernel: FakeKernel
  readonly clock: VirtualClock
  readonly random: Random
  readonly faults: DmaFault[] = []
  readonly log: LogEntry[] = []
  readonly warnings: Error[] = []
  readonly waiters: Waiters
  readonly descriptors: DescriptorTable
  readonly open: MappingOwner['open'] = new Set()
  readonly process = new FakeProcess()
  readonly vfio: VfioPciDriver
  readonly #fs: FileSystem
  readonly #functions = new Map<string, PciFunction>()
  readonly #drivers: DriverCore
  readonly #sysfs: PciSysfs
  readonly #faultPlan = new FaultPlan()
  readonly #window: BusWindow = busWindow()
  readonly #defaultPath: DmaPath
  readonly #iommu: boolean

  constructor(options: CheckedOptions) {
    const { process, open } = this
    process.setUid(options.uid)
    process.setCapabilities(options.capabilities)
    process.setMemlockLimit(options.memlockLimit)
    process.setOpenFileLimit(options.openFileLimit)
    this.#iommu = options.iommu === 'on'
    this.random = createRandom(options.seed)
    const clock = new VirtualClock(options.autoAdvance)
    const waiters = new Waiters(clock)
    const descriptors = new DescriptorTable(process)
    const fs = new FileSystem(process)
    const addressSpace = new AddressSpace()
    const frames = new FrameAllocator(this.random)
    const hugePages = new HugePages(options.hugePages)
    const parameters = {
      allowUnsafeInterrupts: options.allowUnsafeInterrupts,
      dmaEntryLimit: options.dmaEntryLimit,
    }
    const interruptsAreSafe = () => options.interruptRemapping || parameters.allowUnsafeInterrupts
    const dmaEntryLimit = () => parameters.dmaEntryLimit
    const vfio = new VfioPciDriver({
      fs,
      process,
      addressSpace,
      descriptors,
      open,
      dmaEntryLimit,
      interruptsAreSafe,
    })
    mountProc(fs, process, frames)
    mountDescriptors(fs, descriptors)
    mountHugePages(fs, hugePages)
    mountType1Parameters(fs, parameters)
    fs.put(
      '/dev/udmabuf',
      deviceNode(0o600, () => new UdmabufFile(descriptors)),
    )
    this.clock = clock
    this.waiters = waiters
    this.descriptors = descriptors
    this.vfio = vfio
    this.#fs = fs
    this.#defaultPath = this.#iommu ? blockedPath : physicalPath(frames)
    this.#drivers = new DriverCore(this.#functions)
    this.#sysfs = new PciSysfs(fs, { process, open, addressSpace }, this.#drivers)
    this.#registerDriver(vfio)
    this.#registerDriver(ordinaryDriver('uio_pci_generic', vfio))
    const faultPlan = this.#faultPlan
    this.kernel = new FakeKernel({
      clock,
      waiters,
      descriptors,
      fs,
      addressSpace,
      frames,
      hugePages,
      process,
      open,
      faultPlan,
      ioUring: new IoUringSwitch(fs),
      warnings: this.warnings,
    })
  }

  addDevice<Model extends DeviceModel>(model: Model, options: AddDeviceOptions = {}): Model {
    checkModel(model)
    checkOptionNames(options, ['address', 'driver', 'group'], 'addDevice')
    const { address = this.#freeAddress(), driver = this.#iommu ? vfioPci : null } = options
    if (!addressForm.test(address)) {
      invalidArgument(`'${address}' is no PCI address`, "write it in full, in lower case: '0000:00:04.0'")
    }
    if (this.#functions.has(address)) invalidArgument(`there is a device at ${address} already`)
    if (driver === vfioPci && !this.#iommu)
      invalidArgument('vfio-pci takes no device where there is no IOMMU')
    if (options.group !== undefined) checkInteger(options.group, 'group', 0, 0xffff)
    const group = this.#iommu ? (options.group ?? this.#freeGroup()) : undefined
    const { clock, random, faults, log } = this
    const parts = { clock, random, faults, log, window: this.#window }
    const device = new PciFunction(address, model, group, this.#defaultPath, parts)
    this.#functions.set(address, device)
    this.vfio.join(device)
    this.#sysfs.addDevice(device)
    if (driver !== null) this.#bindAtStart(device, driver)
    return model
  }

  removeDevice(model: DeviceModel): void {
    const device = [...this.#functions.values()].find((one) => one.model === model)
    if (device === undefined) invalidArgument('the device is not plugged into this machine')
    device.removed = true
    this.#functions.delete(device.address)
    this.#sysfs.removeDevice(device)
    this.vfio.leave(device)
  }

  failCall(failure: PlannedFailure): void {
    this.#faultPlan.add(failure)
  }

  setUid(uid: number): void {
    this.process.setUid(uid)
  }

  setCapabilities(capabilities: readonly Capability[] | undefined): void {
    this.process.setCapabilities(capabilities)
  }

  setMemlockLimit(bytes: number): void {
    this.process.setMemlockLimit(bytes)
  }

  setOpenFileLimit(count: number): void {
    this.process.setOpenFileLimit(count)
  }

  groupNode(address: string): string {
    const device = this.#functions.get(address)
    if (device?.group === undefined)
      return invalidArgument(`no device at '${address}' that is in an IOMMU group`)
    return `/dev/vfio/${device.group}`
  }

  chown(path: string, uid: number, gid = uid): void {
    this.#administer('chown', path, () => this.#fs.changeOwner(path, uid, gid))
  }

  chmod(path: string, mode: number): void {
    this.#administer('chmod', path, () => this.#fs.changeMode(path, mode))
  }

  assertQuiescent(): void {
    const leaks = leakReport(this)
    if (leaks.length === 0) return
    throw new DmaError(
      'DMA_LEAK',
      `${leaks.length} left open:\n${leaks.map((leak) => `  ${leak}`).join('\n')}`,
      {
        hint: "close what was opened: 'using device = …' does it at the end of the block",
      },
    )
  }

  #bindAtStart(device: PciFunction, name: string): void {
    let driver = this.#drivers.get(name)
    if (driver === undefined) {
      driver = ordinaryDriver(name, this.vfio)
      this.#registerDriver(driver)
    }
    // vfio-pci takes only what it is told to take; any other driver knows its devices.
    if (name === vfioPci) device.driverOverride = name
    else driver.ids.add(`${device.model.identity.vendor}:${device.model.identity.device}`)
    const found = driver
    this.#administer('bind', device.address, () => this.#drivers.bind(found, device.address))
    this.#sysfs.refresh()
  }

  #registerDriver(driver: Parameters<DriverCore['register']>[0]): void {
    this.#drivers.register(driver)
    this.#sysfs.addDriver(driver)
  }

  #administer(syscall: string, path: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      throw error instanceof SystemFailure ? systemError(error, syscall, path) : error
    }
  }

  #freeAddress(): string {
    for (let slot = 4; slot < 32; slot++) {
      const address = `0000:00:${slot.toString(16).padStart(2, '0')}.0`
      if (!this.#functions.has(address)) return address
    }
    return invalidArgument('the bus is full', 'give addresses on another bus: 0000:01:00.0')
  }

  #freeGroup(): number {
    const used = new Set([...this.#functions.values()].map(({ group }) => group))
    let group = 1
    while (used.has(group)) group++
    return group
  }
}
