import {
  allocateDmaMemory,
  calibrateCopybreak,
  createDmaRegion,
  type DmaDevice,
  DmaDirection,
  type DmaOps,
  type DmaRegion,
  dmaMapSingle,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaUnmapSingle,
  type MappingHandle,
  setDmaOps,
} from '@linux-dma/core'
import { createDevice, kernel } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Context, Row } from '../row'
import { single } from '../row'
import { median } from '../statistics'

const BUFFER = 1 << 18
const BUFFERS = 4
/** Of a map, and as many of an unmap: a cheap path, and one about as dear as the two ioctls of VFIO, some 5 µs. */
const SYSTEM_CALLS = [1, 4]
/** Eight lengths to each doubling. */
const SWEEP_STEP = 2 ** (1 / 8)
const SWEEP_FROM = 4096
const SWEEP_PASSES = 15
const SWEEP_TURNS = 20
const ROUNDS = 15
const QUICK_ROUNDS = 7

/** What one round of calibration gave, and one of trying out every length right after it, in bytes. */
interface Round {
  calibrated: number
  swept: number
}

/** Whether `calibrateCopybreak` finds what trying out every length finds, on this machine and now. */
export function copybreakRows(): Row[] {
  let paths: Round[][] | undefined
  const measured = (context: Context) => {
    paths ??= SYSTEM_CALLS.map((calls) => measure(calls, context.quick ? QUICK_ROUNDS : ROUNDS))
    return paths
  }
  const dearest = (context: Context, which: keyof Round) => {
    const found = measured(context)
      .at(-1)!
      .map((round) => round[which])
    return single(median(found), found.length)
  }
  return [
    {
      name: 'remap in a region beside a copy of 64 B',
      unit: 'ns',
      measure: (context) => {
        const region = createDmaRegion(createDevice(), { byteLength: BUFFER })
        return pair(
          context,
          nanosecondsPerOperation((count) => copyInRegion(region, count), 500_000),
          nanosecondsPerOperation((count) => remapInRegion(region, count), 500_000),
        )
      },
    },
    {
      name: 'copybreak, mapped singly, calibrated',
      unit: 'B',
      measure: (context) => dearest(context, 'calibrated'),
    },
    {
      name: 'copybreak, mapped singly, by trying out',
      unit: 'B',
      measure: (context) => dearest(context, 'swept'),
    },
    deviationRow('copybreak, typically off by', median, measured),
    deviationRow('copybreak, off by at most', (shares) => Math.max(...shares), measured),
  ]
}

/** How far calibration is from trying out, over all rounds of all paths. */
function deviationRow(
  name: string,
  summary: (shares: number[]) => number,
  measured: (context: Context) => Round[][],
): Row {
  return {
    name,
    unit: '%',
    measure: (context) => {
      const shares = measured(context)
        .flat()
        .map(({ calibrated, swept }) => Math.abs(calibrated / swept - 1) * 100)
      return single(summary(shares), shares.length)
    },
  }
}

function measure(calls: number, count: number): Round[] {
  const device = createCostlyDevice(calls)
  const rounds = Array.from({ length: count + 1 }, () => ({
    calibrated: calibrateCopybreak(device, { bufferByteLength: BUFFER }).byteLength,
    swept: sweep(device),
  }))
  // The first one was to warm up.
  return rounds.slice(1)
}

/** A device whose mappings take system calls: VFIO's stand-in on a machine without. */
function createCostlyDevice(calls: number): DmaDevice {
  const device = createDevice()
  const cheap = device.ops
  const eventfd = kernel.eventfd()
  const one = new Uint8Array(8)
  one[0] = 1
  const spend = () => {
    for (let call = 0; call < calls; call++) kernel.write(eventfd, one)
  }
  const ops: DmaOps = {
    ...cheap,
    mapPages(...request) {
      spend()
      return cheap.mapPages(...request)
    },
    unmapPages: spend,
  }
  setDmaOps(device, ops)
  return device
}

/** Tries every length out, shortest first: the first one from which on copying is not cheaper. */
function sweep(device: DmaDevice): number {
  using memory = allocateDmaMemory({ byteLength: BUFFERS * BUFFER, kernel })
  const views = Array.from({ length: BUFFERS }, (_, i) => memory.bytes.subarray(i * BUFFER, (i + 1) * BUFFER))
  const mappings = views.map((view) => dmaMapSingle(device, view, DmaDirection.FromDevice))
  const target = new Uint8Array(BUFFERS * BUFFER)
  const copy = (byteLength: number) => {
    const start = performance.now()
    for (let turn = 0; turn < SWEEP_TURNS; turn++) {
      const i = turn % BUFFERS
      target.set(dmaSyncSingleRangeForCpu(device, mappings[i]!, 0, byteLength), i * BUFFER)
      dmaSyncSingleForDevice(device, mappings[i]!)
    }
    return performance.now() - start
  }
  const remap = () => {
    const start = performance.now()
    for (let turn = 0; turn < SWEEP_TURNS; turn++) {
      const i = turn % BUFFERS
      dmaUnmapSingle(device, mappings[i]!)
      mappings[i] = dmaMapSingle(device, views[i]!, DmaDirection.FromDevice)
    }
    return performance.now() - start
  }
  let lastCheaper = 0
  for (let byteLength = SWEEP_FROM; byteLength <= BUFFER; byteLength = Math.ceil(byteLength * SWEEP_STEP)) {
    const ratios = Array.from({ length: SWEEP_PASSES }, () => copy(byteLength) / remap())
    if (median(ratios) < 1) lastCheaper = byteLength
    else if (byteLength > lastCheaper * SWEEP_STEP ** 4) break
  }
  return lastCheaper
}

/** Buffers of 2 KiB, of which 64 bytes are copied: the shortest frame, so the cheapest copy there is. */
const REGION_BUFFER = 2048
const REGION_BUFFERS = 64
const COPIED = 64

/** What the copybreak of 0 in a region is owed to. */
function copyInRegion(region: DmaRegion, count: number): void {
  const handles = mapAll(region)
  const { bytes } = region
  const target = new Uint8Array(REGION_BUFFERS * COPIED)
  for (let turn = 0; turn < count; turn++) {
    const i = turn & (REGION_BUFFERS - 1)
    const handle = handles[i]!
    const start = i * REGION_BUFFER
    region.syncForCpu(handle)
    target.set(bytes.subarray(start, start + COPIED), i * COPIED)
    region.syncForDevice(handle)
  }
  for (const handle of handles) region.unmapSingle(handle)
}

function remapInRegion(region: DmaRegion, count: number): void {
  const handles = mapAll(region)
  for (let turn = 0; turn < count; turn++) {
    const i = turn & (REGION_BUFFERS - 1)
    region.unmapSingle(handles[i]!)
    handles[i] = region.mapSingle(i * REGION_BUFFER, REGION_BUFFER, DmaDirection.FromDevice)
  }
  for (const handle of handles) region.unmapSingle(handle)
}

function mapAll(region: DmaRegion): MappingHandle[] {
  return Array.from({ length: REGION_BUFFERS }, (_, i) =>
    region.mapSingle(i * REGION_BUFFER, REGION_BUFFER, DmaDirection.FromDevice),
  )
}
