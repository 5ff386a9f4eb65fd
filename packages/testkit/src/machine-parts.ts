import { checkSettings } from './check-settings'
import { VirtualClock } from './clock'
import { makeCaches } from './coherence/make-caches'
import { MachineDisturbances } from './disturb/machine-disturbances'
import { type HeapParts, mountSystemHeap } from './dma-buf/heaps'
import { mountUdmabuf } from './dma-buf/udmabuf-device'
import { DmaErrors } from './dma-errors'
import { FaultPlan } from './fault-plan'
import { FileSystem } from './fs/file-system'
import { mountIomem } from './fs/iomem'
import { mountProc } from './fs/proc'
import { mountDescriptors } from './fs/proc-descriptors'
import { mountPorts } from './io/port-file'
import { PortSpace } from './io/port-space'
import { IommuGroups } from './iommu/groups'
import { directDma, translatedDma } from './iommu/kernel-dma'
import { DescriptorTable } from './kernel/descriptor-table'
import { FakeKernel } from './kernel/fake-kernel'
import type { KernelParts } from './kernel/kernel-parts'
import { IoUringSwitch } from './kernel/pinned-pages'
import { Waiters } from './kernel/waiters'
import { MachineLog } from './machine-log'
import { type CheckedOptions, checkKernelRelease, checkUioDmaMemory } from './machine-options'
import { AddressSpace } from './memory/address-space'
import { FrameAllocator } from './memory/frames'
import { HugePages, mountHugePages } from './memory/huge-pages'
import { MachineMemory } from './memory/machine-memory'
import type { StorageMirror } from './memory/storage'
import type { SlotParts } from './models/attached-model'
import type { DeviceModel } from './models/device-model'
import { busWindow } from './pci/bar-layout'
import { PciBus } from './pci/bus'
import { PlatformBus } from './platform/bus'
import { createRandom } from './prng'
import { FakeProcess } from './process'
import { makeTrace } from './trace/make-trace'
import { UDmaBufDriver } from './u-dma-buf/driver'
import { UioPciGeneric } from './uio/pci-generic'
import { UioDmemGenirq, UioPdrvGenirq } from './uio/platform-drivers'
import type { RegisterParts } from './uio/register'
import { UioClass, type UioDmaMemory } from './uio/uio-class'
import { mountType1Parameters, VfioPciDriver } from './vfio/driver'

/** The release from which on uio_dmem_genirq shows the kernel's pointers in place of bus addresses. */
const pointersShown = [6, 9] as const

/** Makes the parts of a machine and puts them together. */
export function assembleMachine(options: CheckedOptions) {
  const kernelParts = makeKernelParts(options)
  const { fs, process, frames, clock, waiters, descriptors, warnings } = kernelParts
  const random = kernelParts.random
  const slots: SlotParts = {
    clock,
    random,
    faults: [],
    excusedFaults: new WeakSet(),
    log: new MachineLog(),
    attached: new WeakMap(),
    caches: kernelParts.caches,
    dmaErrors: kernelParts.dmaErrors,
    trace: kernelParts.trace,
  }
  mountProc(fs, process, frames, () => kernelParts.kernelRelease)
  mountDescriptors(fs, descriptors)
  mountHugePages(fs, kernelParts.hugePages)
  mountUdmabuf(fs, kernelParts)
  mountSystemHeap(kernelParts)
  kernelParts.memory.mount(fs)
  const ports = new PortSpace()
  mountPorts(fs, process, ports)
  const vfio = makeVfio(options, kernelParts)
  const buses = makeBuses(options, kernelParts, slots, vfio, ports)
  if (kernelParts.dmaErrors) {
    kernelParts.dmaErrors.pendingOf = (device, address, byteLength) =>
      (buses.pci.find(device) ?? buses.platform.find(device))?.underWay(address, byteLength)
  }
  const registerParts = makeUio(options, kernelParts, buses, vfio, ports)
  mountIomem(fs, process, frames, () => [...buses.pci.ranges(), ...buses.platform.ranges()])
  const { open, faultPlan } = kernelParts
  const kernel = new FakeKernel(kernelParts)
  const uDmaBufs = new UDmaBufDriver({ ...kernelParts, log: slots.log })
  const { faults, excusedFaults, attached } = slots
  const remove = (model: DeviceModel) => buses.pci.remove(model) || buses.platform.remove(model)
  const disturbances = new MachineDisturbances({ seed: options.seed, clock, attached, remove })
  return {
    ...{ kernel, clock, random, waiters, descriptors, fs, process, open, faultPlan },
    ...{
      faults,
      excusedFaults,
      log: slots.log.entries,
      warnings,
      vfio,
      ...buses,
      registerParts,
      kernelParts,
      uDmaBufs,
      remove,
      disturbances,
    },
    trace: kernelParts.shownTrace,
    setKernelRelease: (release: string) => {
      kernelParts.kernelRelease = checkKernelRelease(release)
    },
    setUioDmaMemory: (variant: UioDmaMemory) => {
      registerParts.uio.dmaMemory = checkUioDmaMemory(variant)
    },
  }
}

/** What the kernel's own verbs work with. */
function makeKernelParts(options: CheckedOptions) {
  const process = new FakeProcess()
  process.setUid(options.uid)
  process.setCapabilities(options.capabilities)
  process.setMemlockLimit(options.memlockLimit)
  process.setOpenFileLimit(options.openFileLimit)
  const random = createRandom(options.seed)
  const clock = new VirtualClock(options.autoAdvance)
  const fs = new FileSystem(process)
  const frames = new FrameAllocator(random)
  const hugePages = new HugePages(options.hugePages)
  const settings = checkSettings(options.checks)
  const dmaErrors = settings && new DmaErrors(settings, options.cacheLineSize)
  const caches = makeCaches(options, { clock, frames, dmaErrors })
  frames.caches = caches
  const traces = makeTrace(options, { clock, dmaErrors })
  return {
    kernelRelease: options.kernelRelease,
    random,
    process,
    clock,
    fs,
    waiters: new Waiters(clock),
    descriptors: new DescriptorTable(process),
    addressSpace: new AddressSpace(),
    frames,
    hugePages,
    memory: new MachineMemory(options.memory, frames, hugePages),
    mirrors: new Set<StorageMirror>(),
    dmaBufNumbers: { inode: 0, fenceContext: 0 },
    open: new Set(),
    faultPlan: new FaultPlan(),
    ioUring: new IoUringSwitch(fs),
    warnings: [],
    dmaErrors,
    ...traces,
    caches,
    forceBounce: options.coherence === 'bounce',
  } satisfies KernelParts & HeapParts & { random: unknown; kernelRelease: string }
}

type MadeParts = ReturnType<typeof makeKernelParts>

function makeVfio(options: CheckedOptions, made: MadeParts): VfioPciDriver {
  const { allowUnsafeInterrupts, dmaEntryLimit, interruptRemapping } = options
  const parameters = { allowUnsafeInterrupts, dmaEntryLimit }
  mountType1Parameters(made.fs, parameters)
  return new VfioPciDriver({
    ...made,
    dmaEntryLimit: () => parameters.dmaEntryLimit,
    interruptsAreSafe: () => interruptRemapping || parameters.allowUnsafeInterrupts,
  })
}

function makeBuses(
  { iommu }: CheckedOptions,
  made: MadeParts,
  slots: SlotParts,
  vfio: VfioPciDriver,
  ports: PortSpace,
) {
  const makeDma = () => (iommu === 'on' ? translatedDma(made) : directDma(made))
  const type = iommu === 'on' ? 'DMA-FQ' : 'identity'
  const groups = iommu === 'off' ? undefined : new IommuGroups(made.fs, type, makeDma)
  const parts = { ...slots, fs: made.fs, owner: made, window: busWindow(), groups, makeDma }
  const pci = new PciBus({ ...parts, vfio, ports })
  pci.registerDriver(vfio)
  return { pci, platform: new PlatformBus(parts) }
}

function makeUio(
  { uioDmaMemory }: CheckedOptions,
  made: MadeParts,
  { pci, platform }: ReturnType<typeof makeBuses>,
  vfio: VfioPciDriver,
  ports: PortSpace,
): RegisterParts {
  const uio = new UioClass(made, uioDmaMemory)
  pci.registerDriver(new UioPciGeneric(uio, (device) => vfio.owns(device)))
  platform.registerDriver(new UioPdrvGenirq(uio))
  platform.registerDriver(new UioDmemGenirq(uio, () => isBefore(made.kernelRelease, pointersShown)))
  return { uio, fs: made.fs, frames: made.frames, ports, platform }
}

/** Whether a release such as `6.8.12-1` is older than a version. */
function isBefore(release: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10))
  return ownMajor < major || (ownMajor === major && ownMinor < minor)
}
