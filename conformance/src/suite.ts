import type { Host, Runner } from './host'
import { dmaAlloc } from './suites/dma-alloc'
import { dmaBounce } from './suites/dma-bounce'
import { dmaBounceDirect } from './suites/dma-bounce-direct'
import { dmaBounceLife } from './suites/dma-bounce-life'
import { dmaBouncePool } from './suites/dma-bounce-pool'
import { dmaBufAccess } from './suites/dma-buf-access'
import { dmaBufDevices } from './suites/dma-buf-devices'
import { dmaBufErrnos } from './suites/dma-buf-errnos'
import { dmaBufFences } from './suites/dma-buf-fences'
import { dmaBufHandles } from './suites/dma-buf-handles'
import { dmaBufLeaks } from './suites/dma-buf-leaks'
import { dmaBufMapping } from './suites/dma-buf-mapping'
import { dmaBufMemory } from './suites/dma-buf-memory'
import { dmaBufPeer } from './suites/dma-buf-peer'
import { dmaBufRaw } from './suites/dma-buf-raw'
import { dmaBufSharing } from './suites/dma-buf-sharing'
import { dmaBufSockets } from './suites/dma-buf-sockets'
import { dmaBufSyncFiles } from './suites/dma-buf-sync-files'
import { dmaBufWaits } from './suites/dma-buf-waits'
import { dmaChecker } from './suites/dma-checker'
import { dmaDirect } from './suites/dma-direct'
import { dmaDirectTables } from './suites/dma-direct-tables'
import { dmaHeap } from './suites/dma-heap'
import { dmaHeapSelftest } from './suites/dma-heap-selftest'
import { dmaPhysical } from './suites/dma-physical'
import { dmaPool } from './suites/dma-pool'
import { dmaResource } from './suites/dma-resource'
import { dmaShare } from './suites/dma-share'
import { fuzzFoundDmaBufs, fuzzFoundMemory, fuzzFoundSockets } from './suites/fuzz-found-memory'
import { fuzzFoundUio } from './suites/fuzz-found-uio'
import { fuzzFoundVfio } from './suites/fuzz-found-vfio'
import { kernelEvents } from './suites/kernel-events'
import { kernelFiles } from './suites/kernel-files'
import { kernelMemory } from './suites/kernel-memory'
import { kernelMessages } from './suites/kernel-messages'
import { kernelPin } from './suites/kernel-pin'
import { kernelProcesses } from './suites/kernel-processes'
import { kernelSocketMessages } from './suites/kernel-socket-messages'
import { kernelSockets } from './suites/kernel-sockets'
import { pciDrivers, pciDriversWithoutIommu } from './suites/pci-drivers'
import { sgAllocation } from './suites/sg-allocation'
import { sgChunkEnds } from './suites/sg-chunk-ends'
import { sgChunks } from './suites/sg-chunks'
import { sgMapping } from './suites/sg-mapping'
import { sgMappingLife } from './suites/sg-mapping-life'
import { trace } from './suites/trace'
import { uDmaBuf } from './suites/u-dma-buf'
import { uDmaBufErrnos } from './suites/u-dma-buf-errnos'
import { udmabufCreate } from './suites/udmabuf-create'
import { udmabufErrnos } from './suites/udmabuf-errnos'
import { udmabufLife } from './suites/udmabuf-life'
import { udmabufLimits } from './suites/udmabuf-limits'
import { udmabufSelftest } from './suites/udmabuf-selftest'
import { uioDiscovery, uioDiscoveryDrivers } from './suites/uio-discovery'
import { uioDmaDirect } from './suites/uio-dma-direct'
import { uioDmaMemory } from './suites/uio-dma-memory'
import { uioDmaRefused } from './suites/uio-dma-refused'
import { uioDmem } from './suites/uio-dmem'
import { uioDriverErrnos } from './suites/uio-driver-errnos'
import { uioDrivers } from './suites/uio-drivers'
import { uioErrnos } from './suites/uio-errnos'
import { uioInterrupts } from './suites/uio-interrupts'
import { uioOpen } from './suites/uio-open'
import { uioProcesses } from './suites/uio-processes'
import { uioUnbind } from './suites/uio-unbind'
import { vfioAhci } from './suites/vfio-ahci'
import { vfioDma } from './suites/vfio-dma'
import { vfioErrnos } from './suites/vfio-errnos'
import { vfioExit } from './suites/vfio-exit'
import { vfioInterrupts } from './suites/vfio-interrupts'
import { vfioLimits } from './suites/vfio-limits'
import { vfioMappings } from './suites/vfio-mappings'
import { vfioMessages } from './suites/vfio-messages'
import { vfioNvme } from './suites/vfio-nvme'
import { vfioOpen } from './suites/vfio-open'
import { vfioRandom } from './suites/vfio-random'
import { vfioWithoutIommu, vfioWithoutRemapping } from './suites/vfio-refused'
import { vfioRegions } from './suites/vfio-regions'
import { vfioRegisters } from './suites/vfio-registers'

/** Tests that belong together. */
export type Suite = (runner: Runner, host: Host) => void

/** What has to hold on both kernels, by the machine it needs. */
const suites = {
  /** An IOMMU with interrupt remapping. */
  iommu: [
    kernelFiles,
    kernelMemory,
    kernelPin,
    kernelEvents,
    kernelMessages,
    kernelSockets,
    kernelSocketMessages,
    kernelProcesses,
    fuzzFoundMemory,
    fuzzFoundSockets,
    fuzzFoundVfio,
    vfioErrnos,
    vfioRandom,
    vfioOpen,
    vfioRegisters,
    vfioInterrupts,
    vfioMessages,
    vfioNvme,
    vfioAhci,
    vfioDma,
    vfioMappings,
    vfioRegions,
    dmaAlloc,
    dmaPool,
    dmaShare,
    dmaResource,
    dmaPhysical,
    dmaChecker,
    sgMapping,
    sgAllocation,
    sgMappingLife,
    sgChunks,
    sgChunkEnds,
    vfioLimits,
    trace,
    dmaBounce,
    dmaBounceLife,
    dmaBouncePool,
    pciDrivers,
    uioDiscovery,
    uioErrnos,
    uioOpen,
    uioInterrupts,
    uioUnbind,
    uioProcesses,
    uioDmaRefused,
    vfioExit,
  ],
  'no-remapping': [vfioWithoutRemapping],
  'no-iommu': [
    vfioWithoutIommu,
    pciDriversWithoutIommu,
    dmaDirect,
    dmaDirectTables,
    dmaBounceDirect,
    uioDmaDirect,
    fuzzFoundUio,
  ],
  /** An IOMMU that lets every device pass. */
  'pass-through': [uioDmaDirect],
  /** No IOMMU; the drivers of UIO devices that are not PCI devices. */
  'uio-drivers': [uioDiscoveryDrivers, uioDriverErrnos, uioDrivers, uioDmem],
  /** An IOMMU, and a UIO core that allocates DMA memory, as the patch of 2008 has it. */
  'uio-dma-memory': [uioDmaMemory],
  /** An IOMMU that lets every device pass, both edu devices under VFIO, an importer of dma-bufs, programs in C. */
  'dma-buf': [
    dmaBufRaw,
    dmaBufPeer,
    dmaBufFences,
    dmaBufWaits,
    dmaBufSyncFiles,
    udmabufCreate,
    udmabufLife,
    udmabufErrnos,
    udmabufLimits,
    dmaBufErrnos,
    uDmaBufErrnos,
    uDmaBuf,
    dmaBufAccess,
    dmaBufMapping,
    dmaBufDevices,
    dmaHeap,
    dmaBufMemory,
    udmabufSelftest,
    dmaHeapSelftest,
    dmaBufSharing,
    dmaBufSockets,
    dmaBufHandles,
    dmaBufLeaks,
    fuzzFoundDmaBufs,
  ],
} satisfies Record<string, readonly Suite[]>

export type MachineKind = keyof typeof suites

export const machineKinds = Object.keys(suites) as MachineKind[]

/** Runs what needs a machine of this kind on `host`, which has to be one. */
export function conformance(runner: Runner, kind: MachineKind, host: Host): void {
  for (const suite of suitesOf(kind)) suite(runner, host)
}

/** What needs a machine of this kind. */
export function suitesOf(kind: MachineKind): readonly Suite[] {
  return suites[kind]
}

/** The kind that a command line names: the first argument, `iommu` where there is none. */
export function kindFromArguments(args: readonly string[] = process.argv.slice(2)): MachineKind {
  const [kind = 'iommu'] = args
  if (!Object.hasOwn(suites, kind)) throw new Error(`'${kind}' is none of ${machineKinds.join(', ')}`)
  return kind as MachineKind
}
