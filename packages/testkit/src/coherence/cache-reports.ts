import { type DmaCheckerView, DmaError } from '@linux-dma/native'
import { DmaDirection } from '../u-dma-buf/direction'
import type { DeviceWrite } from './unseen-writes'
import type { DeviceAccess } from './write-back-cache'

/** What a checker of the packages tells of a mapping, as far as it is asked here. */
interface KnownMapping {
  readonly device: string
  readonly family: 'single' | 'sg' | 'coherent' | 'resource' | 'noncoherent'
  readonly address: number
  /** Bytes. */
  readonly size: number
  readonly direction: DmaDirection
  readonly mappedAt: string
}

const directionNames = {
  [DmaDirection.Bidirectional]: 'bidirectional',
  [DmaDirection.ToDevice]: 'to-device',
  [DmaDirection.FromDevice]: 'from-device',
} as const

/** Says what went wrong between a cache and a device, with what a checker knows of the mapping. */
export class CacheReports {
  /** What checks the machine's devices; undefined before the first is opened, and where nobody looks. */
  readonly #checker: () => DmaCheckerView | undefined

  constructor(checker: () => DmaCheckerView | undefined) {
    this.#checker = checker
  }

  /** A device read bytes that were still in the cache. */
  staleRead(byteLength: number, access: DeviceAccess): DmaError {
    const { device, time } = access
    const mapping = this.#mappingAt(access)
    const where = within(mapping, access.address, byteLength)
    const message = `stale: ${where} were written by the CPU and not synced for the device: ${device} read what memory had before, at ${milliseconds(time)}`
    return new DmaError('DMA_STALE', `${message}${mappedAt(mapping)}`, {
      hint: mapping === undefined ? unmappedHint : forDeviceHint(mapping),
    })
  }

  /** What a device wrote lies in a line that the CPU wrote to, too. */
  lostWrite(write: DeviceWrite): DmaError {
    const { device, address, start, end, time } = write
    const mapping = this.#mappingAt(write)
    const where = within(mapping, address, end - start)
    const message = `lost: ${where}, written by ${device} at ${milliseconds(time)}, share a cache line with bytes that the CPU wrote while the device had it: the line goes over them when it is written back`
    return new DmaError('DMA_LOST_WRITE', `${message}${mappedAt(mapping)}`, {
      hint: 'let the CPU write nothing to a mapped buffer, nor to what shares a cache line with it, until it is synced for the CPU or unmapped; align and pad buffers to dmaGetCacheAlignment(device)',
    })
  }

  /** The CPU is about to look at bytes that memory has, and its cache has not. `byteOffset`: of the first in what it looks at. */
  staleBytes(byteOffset: number, write: DeviceWrite): DmaError {
    const { device, address, start, end, time } = write
    const mapping = this.#mappingAt(write)
    const bytes = range(byteOffset, byteOffset + end - start)
    const message = `stale: ${bytes} were written by ${device}, at 0x${address.toString(16)}, at ${milliseconds(time)} and not synced for the CPU`
    return new DmaError('DMA_STALE', `${message}${mappedAt(mapping)}`, {
      hint: mapping === undefined ? tooLateHint : forCpuHint(mapping),
    })
  }

  #mappingAt({ device, address }: Pick<DeviceAccess, 'device' | 'address'>): KnownMapping | undefined {
    const all = (this.#checker()?.dump() ?? []) as readonly KnownMapping[]
    return all.find(
      (one) => one.device === device && one.address <= address && address < one.address + one.size,
    )
  }
}

const unmappedHint =
  'nothing is mapped there: what region.addressAt() gives is never synced; map that part of the region, or use dmaAllocCoherent()'
const tooLateHint =
  'nothing is mapped there any more: unmap without DmaAttribute.SkipCpuSync, and unmap or sync what the device was really given'

function forDeviceHint({ family }: KnownMapping): string {
  const sync =
    family === 'sg' ? 'dmaSyncSgtableForDevice(device, mapped)' : 'dmaSyncSingleForDevice(device, mapping)'
  return `map the buffer after the CPU has filled it, or call ${sync} before the device is told to read`
}

function forCpuHint({ family, direction }: KnownMapping): string {
  if (direction === DmaDirection.ToDevice) {
    return 'it is mapped ToDevice, so that no sync brings back what the device wrote: map it FromDevice or Bidirectional'
  }
  const [sync, unmap] =
    family === 'sg'
      ? ['dmaSyncSgtableForCpu(device, mapped)', 'dmaUnmapSgtable(device, mapped)']
      : ['dmaSyncSingleForCpu(device, mapping)', 'dmaUnmapSingle(device, mapping)']
  return `call ${sync} before the CPU looks, or ${unmap} once the device is done`
}

/** The bytes that an access was about, as a part of their mapping where that is known. */
function within(mapping: KnownMapping | undefined, address: number, byteLength: number): string {
  if (mapping === undefined) return `${byteLength} bytes at 0x${address.toString(16)}`
  const start = address - mapping.address
  const { size, direction } = mapping
  return `${range(start, start + byteLength)} of the ${size}-byte ${directionNames[direction]} mapping at 0x${mapping.address.toString(16)}`
}

function range(start: number, end: number): string {
  return `bytes ${start}..${end - 1}`
}

function milliseconds(time: number): string {
  return `${Number(time.toFixed(4))} ms`
}

function mappedAt(mapping: KnownMapping | undefined): string {
  return mapping === undefined ? '' : `\n  mapped ${mapping.mappedAt.replaceAll('\n', '\n    ')}`
}
