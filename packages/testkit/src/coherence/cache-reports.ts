import { type DmaCheckerView, DmaError } from '@linux-dma/native'
import { forCpuHint, type KnownMapping, mappedAt, milliseconds, range, within } from './known-mapping'
import type { DeviceWrite } from './unseen-writes'
import type { DeviceAccess } from './write-back-cache'

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
    const error = new DmaError('DMA_STALE', `${message}${mappedAt(mapping)}`, {
      hint: mapping === undefined ? unmappedHint : forDeviceHint(mapping),
    })
    return placed(error, access, byteLength)
  }

  /** What a device wrote lies in a line that the CPU wrote to, too. */
  lostWrite(write: DeviceWrite): DmaError {
    const { device, address, start, end, time } = write
    const mapping = this.#mappingAt(write)
    const where = within(mapping, address, end - start)
    const message = `lost: ${where}, written by ${device} at ${milliseconds(time)}, share a cache line with bytes that the CPU wrote while the device had it: the line goes over them when it is written back`
    const error = new DmaError('DMA_LOST_WRITE', `${message}${mappedAt(mapping)}`, {
      hint: 'let the CPU write nothing to a mapped buffer, nor to what shares a cache line with it, until it is synced for the CPU or unmapped; align and pad buffers to dmaGetCacheAlignment(device)',
    })
    return placed(error, write, end - start)
  }

  /** The CPU wrote to what a device had, and its line is dropped. */
  discardedWrite(byteLength: number, access: DeviceAccess): DmaError {
    const { device, time } = access
    const mapping = this.#mappingAt(access)
    const where = within(mapping, access.address, byteLength)
    const message = `lost: ${where} were written by the CPU while ${device} had them: the sync for the CPU, or the unmap, at ${milliseconds(time)} goes over them with what is in memory`
    const error = new DmaError('DMA_LOST_WRITE', `${message}${mappedAt(mapping)}`, {
      hint: 'let the CPU write before the map, after the unmap, or between a sync for the CPU and one for the device',
    })
    return placed(error, access, byteLength)
  }

  /** The CPU is about to look at bytes that memory has, and its cache has not. `byteOffset`: of the first in what it looks at. */
  staleBytes(byteOffset: number, write: DeviceWrite): DmaError {
    const { device, address, start, end, time } = write
    const mapping = this.#mappingAt(write)
    const bytes = range(byteOffset, byteOffset + end - start)
    const message = `stale: ${bytes} were written by ${device}, at 0x${address.toString(16)}, at ${milliseconds(time)} and not synced for the CPU`
    const error = new DmaError('DMA_STALE', `${message}${mappedAt(mapping)}`, {
      hint: mapping === undefined ? tooLateHint : forCpuHint(mapping),
    })
    return placed(error, write, end - start)
  }

  #mappingAt({ device, address }: Pick<DeviceAccess, 'device' | 'address'>): KnownMapping | undefined {
    const all = (this.#checker()?.dump() ?? []) as readonly KnownMapping[]
    return all.find(
      (one) => one.device === device && one.address <= address && address < one.address + one.size,
    )
  }
}

/** Has an error say in fields, too, which bytes it is about: a trace takes them from there. `size`: in bytes, as of a DmaReport. */
function placed(
  error: DmaError,
  { device, address }: Pick<DeviceAccess, 'device' | 'address'>,
  size: number,
) {
  return Object.assign(error, { device, address, size })
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
