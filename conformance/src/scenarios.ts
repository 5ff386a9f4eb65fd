import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  type DmaError,
  type Kernel,
  readFrames,
} from '@linux-dma/core'
import { bindDriver, readPciDevice } from '@linux-dma/pci'
import { dmaMapSgtable, SgTable } from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'

/** What a scenario saw: plain values, since on a real kernel it runs in a process of its own. */
export interface ScenarioOutcome {
  /** How many steps went well before the error. */
  readonly succeeded: number
  readonly code: string | undefined
  readonly message: string | undefined
  readonly hint: string | undefined
  /** Descriptors and mappings that were open at the end beyond those at the start. */
  readonly leaked: number
  /** Kilobytes that the process had locked at the end. */
  readonly lockedKilobytes: number
}

/** Pins regions of 16 pages, then of one page, until the kernel refuses. */
function pinUntilRefused(kernel: Kernel, edu: string, succeeded: () => void): void {
  using device = openVfioDevice(edu, { kernel })
  device.setMaster()
  using _first = createDmaRegion(device, { byteLength: 16 * kernel.pageSize })
  succeeded()
  using _second = createDmaRegion(device, { byteLength: kernel.pageSize })
  succeeded()
}

/** Asks at once for more than may be locked, of which the first part would fit. */
function pinTooMuch(kernel: Kernel, edu: string, succeeded: () => void): void {
  using device = openVfioDevice(edu, { kernel })
  device.setMaster()
  succeeded()
  using _region = createDmaRegion(device, { byteLength: 32 * kernel.pageSize })
  succeeded()
}

/** Maps a table that just fits, then one of which only the first segments do. */
function mapTableTooLarge(kernel: Kernel, edu: string, succeeded: () => void): void {
  using device = openVfioDevice(edu, { kernel })
  device.setMaster()
  using memory = allocateDmaMemory({ byteLength: 64 * kernel.pageSize, kernel })
  const apart = (count: number) =>
    SgTable.fromPages(
      Array.from({ length: count }, (_, i) => 2 * i),
      { memory },
    )
  dmaMapSgtable(device, apart(16), DmaDirection.ToDevice).unmap()
  succeeded()
  try {
    dmaMapSgtable(device, apart(17), DmaDirection.ToDevice)
  } finally {
    // All of the limit is free again.
    dmaMapSgtable(device, apart(16), DmaDirection.ToDevice).unmap()
    succeeded()
  }
}

function openAndIdentify(kernel: Kernel, edu: string, succeeded: () => void): void {
  using device = openVfioDevice(edu, { kernel })
  if (device.bar(0).read32(0) === 0x0100_00ed) succeeded()
}

/** Pins memory, which anybody may, and asks where it lies. */
function readFrameNumbers(kernel: Kernel, _edu: string, succeeded: () => void): void {
  using memory = allocateDmaMemory({ byteLength: 4 * kernel.pageSize, kernel })
  using _pin = memory.pin()
  succeeded()
  readFrames(memory)
  succeeded()
}

/** Reads what a device is, which anybody may, and gives it to another driver. */
function bindToUio(kernel: Kernel, edu: string, succeeded: () => void): void {
  if (readPciDevice(kernel, edu).driver !== undefined) succeeded()
  bindDriver(edu, 'uio_pci_generic', { kernel })
  succeeded()
}

const scenarios = {
  pinUntilRefused,
  pinTooMuch,
  mapTableTooLarge,
  openAndIdentify,
  readFrameNumbers,
  bindToUio,
}

export type ScenarioName = keyof typeof scenarios

/** Runs one, and tells what became of it. */
export function runScenario(name: ScenarioName, kernel: Kernel, edu: string): ScenarioOutcome {
  const before = kernel.live()
  let succeeded = 0
  let failure: DmaError | undefined
  try {
    scenarios[name](kernel, edu, () => {
      succeeded++
    })
  } catch (error) {
    failure = error as DmaError
  }
  const after = kernel.live()
  return {
    succeeded,
    code: failure?.code,
    message: failure?.message,
    hint: failure?.hint,
    leaked: after.descriptors - before.descriptors + (after.mappings - before.mappings),
    lockedKilobytes: Number(
      /^VmLck:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1] ?? Number.NaN,
    ),
  }
}
