import {
  createDmaRegion,
  DmaChecker,
  type DmaDevice,
  DmaDirection,
  type DmaRegion,
  dmaMapSingle,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
  lowerHalf,
  setDmaChecker,
} from '@linux-dma/core'
import { createDevice, DMA_ADDRESS } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import { type Context, type Measured, type Row, single } from '../row'

const REGION = 1 << 22
/** What each transfer maps. */
const BUFFER = 1536
const COUNT = 2_000_000

/** Offsets that follow no simple pattern: a power of two of them, each a multiple of 64. */
const offsets = Int32Array.from(
  { length: 1024 },
  (_, index) => ((index * 40_503) % ((REGION - BUFFER) >> 6)) << 6,
)

type Loop = (region: DmaRegion, offsets: Int32Array, byteLength: number, count: number) => unknown
type ReferenceLoop = (region: number, offsets: Int32Array, byteLength: number, count: number) => unknown

/** Mapping parts of a registered region: see native/mapping-table.c for what C does. */
export function mappingRows(reference: Reference): Row[] {
  return [
    row('address in a region, untracked', reference, reference.addressAt, addressAt, COUNT * 4),
    row('address in a region, beside tracked C', reference, reference.mapUnmap, addressAt, COUNT * 4),
    row('map and unmap, tracked', reference, reference.mapUnmap, mapUnmap, COUNT),
    row('transfer, tracked', reference, reference.transfer, transfer, COUNT),
    {
      name: 'transfer, as objects',
      unit: 'ns',
      measure(context) {
        const device = createDevice()
        const { bytes } = createDmaRegion(device, { byteLength: REGION })
        const buffers = Array.from(offsets, (offset) => bytes.subarray(offset, offset + BUFFER))
        return compare(context, reference, reference.transfer, (count) =>
          objectTransfer(device, buffers, count),
        )
      },
    },
    {
      name: 'transfer, checked',
      unit: 'ns',
      measure() {
        const device = createDevice()
        setDmaChecker(device, new DmaChecker())
        const region = createDmaRegion(device, { byteLength: REGION })
        // Places are taken down of the first thousands: what a driver pays that runs.
        transfer(region, offsets, BUFFER, 20_000)
        const count = 200_000
        return single(timed(() => transfer(region, offsets, BUFFER, count)).ours / count, count)
      },
    },
    {
      name: 'transfer after 100,000',
      unit: 'ns',
      measure() {
        const region = createDmaRegion(createDevice(), { byteLength: REGION })
        for (let call = 0; call < 100; call++) transfer(region, offsets, BUFFER, 1000)
        const { ours } = timed(() => transfer(region, offsets, BUFFER, 1000))
        return single(ours / 1000)
      },
    },
  ]
}

/** Tracked transfers once more under another name, for a process that is in a special state. */
export function transferRow(name: string, reference: Reference, count: number): Row {
  return row(name, reference, reference.transfer, transfer, count)
}

function row(name: string, reference: Reference, c: ReferenceLoop, ours: Loop, count: number): Row {
  return {
    name,
    unit: 'ns',
    measure(context) {
      const region = createDmaRegion(createDevice(), { byteLength: REGION })
      return compare(context, reference, c, (operations) => ours(region, offsets, BUFFER, operations), count)
    },
  }
}

function compare(
  context: Context,
  reference: Reference,
  c: ReferenceLoop,
  ours: (count: number) => unknown,
  count = COUNT,
): Promise<Measured> {
  const region = reference.createRegion(DMA_ADDRESS, REGION, 256)
  return pair(
    context,
    nanosecondsPerOperation((operations) => c(region, offsets, BUFFER, operations), count),
    nanosecondsPerOperation(ours, count),
  )
}

function timed(work: () => unknown): { ours: number } {
  const start = process.hrtime.bigint()
  work()
  return { ours: Number(process.hrtime.bigint() - start) }
}

function addressAt(region: DmaRegion, offsets: Int32Array, byteLength: number, count: number): number {
  let total = 0
  const mask = offsets.length - 1
  for (let index = 0; index < count; index++) {
    total ^= lowerHalf(region.addressAt(offsets[index & mask]!, byteLength))
  }
  return total
}

function mapUnmap(region: DmaRegion, offsets: Int32Array, byteLength: number, count: number): void {
  const mask = offsets.length - 1
  for (let index = 0; index < count; index++) {
    region.unmapSingle(region.mapSingle(offsets[index & mask]!, byteLength, DmaDirection.ToDevice))
  }
}

/** Map, ask the address, lend to the CPU, give back, unmap. */
function transfer(region: DmaRegion, offsets: Int32Array, byteLength: number, count: number): number {
  let total = 0
  const mask = offsets.length - 1
  for (let index = 0; index < count; index++) {
    const handle = region.mapSingle(offsets[index & mask]!, byteLength, DmaDirection.ToDevice)
    total ^= lowerHalf(region.addressOf(handle))
    region.syncForCpu(handle)
    region.syncForDevice(handle)
    region.unmapSingle(handle)
  }
  return total
}

function objectTransfer(device: DmaDevice, buffers: Uint8Array[], count: number): number {
  let total = 0
  const mask = buffers.length - 1
  for (let index = 0; index < count; index++) {
    const mapping = dmaMapSingle(device, buffers[index & mask]!, DmaDirection.ToDevice)
    total ^= lowerHalf(mapping.dmaAddress)
    dmaSyncSingleForCpu(device, mapping)
    dmaSyncSingleForDevice(device, mapping)
    dmaUnmapSingle(device, mapping)
  }
  return total
}
