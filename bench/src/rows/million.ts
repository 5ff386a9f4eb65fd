import { setTimeout } from 'node:timers/promises'
import {
  createDmaRegion,
  DmaChecker,
  type DmaDevice,
  DmaDirection,
  type DmaRegion,
  lowerHalf,
  type MappingHandle,
  setDmaChecker,
} from '@linux-dma/core'
import { createDevice, DMA_ADDRESS } from '../fixtures'
import { nanosecondsPerOperation, nextTurn, pair } from '../pair'
import type { Reference } from '../reference'
import { type Context, type Measured, type Row, single } from '../row'
import { quantile } from '../statistics'

const MILLION = 1_000_000
const BUFFER = 64
const COUNT = 1 << 20
/** Transfers between two looks at the clock. */
const BATCH = 1000

/** A million live mappings: what the processor's caches, and the garbage collector, make of them. */
export function millionRows(reference: Reference): Row[] {
  return [
    {
      name: 'transfer, a million live',
      unit: 'ns',
      measure: (context) => compareChurn(context, reference, oldestFirst()),
    },
    {
      name: 'transfer, a million live, any order',
      unit: 'ns',
      measure: (context) => compareChurn(context, reference, anyOrder()),
    },
    { name: 'bytes per live mapping', unit: 'B', measure: () => measureBytes(createDevice()) },
    { name: 'bytes per live mapping, checked', unit: 'B', measure: () => measureBytes(checkedDevice()) },
    {
      name: 'longest GC pause, a million live',
      unit: 'ms',
      measure: async (context) => (await stalls(context)).pause,
    },
    {
      name: 'batch of 1000, 99.9th percentile',
      unit: 'ms',
      measure: async (context) => (await stalls(context)).batch,
    },
    {
      name: 'batch of 1000, longest',
      unit: 'ms',
      measure: async (context) => (await stalls(context)).longest,
    },
  ]
}

function compareChurn(context: Context, reference: Reference, order: Int32Array): Promise<Measured> {
  const { region, handles } = createMillion()
  const other = reference.createRegion(DMA_ADDRESS, MILLION * BUFFER, 1 << 20)
  const otherHandles = new Int32Array(MILLION)
  reference.fill(other, otherHandles, BUFFER)
  const turn = { c: 0, ours: 0 }
  return pair(
    context,
    nanosecondsPerOperation((count) => {
      reference.churn(other, otherHandles, order, BUFFER, turn.c, count)
      turn.c = (turn.c + count) % order.length
    }, COUNT),
    nanosecondsPerOperation((count) => {
      churn(region, handles, order, turn.ours, count)
      turn.ours = (turn.ours + count) % order.length
    }, COUNT),
  )
}

function createMillion(): { region: DmaRegion; handles: MappingHandle[] } {
  const region = createDmaRegion(createDevice(), { byteLength: MILLION * BUFFER })
  const handles: MappingHandle[] = []
  for (let index = 0; index < MILLION; index++) {
    handles.push(region.mapSingle(index * BUFFER, BUFFER, DmaDirection.ToDevice))
  }
  return { region, handles }
}

/** Which of the million to end next, as a ring does it. A power of two of them. */
function oldestFirst(): Int32Array {
  return Int32Array.from({ length: 1 << 20 }, (_, index) => index % MILLION)
}

/** Which of the million to end next, in no order that a cache could foresee. */
function anyOrder(): Int32Array {
  let state = 1
  return Int32Array.from({ length: 1 << 20 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * MILLION)
  })
}

/** Transfers of live mappings in the given order, each replaced by a new mapping. */
function churn(
  region: DmaRegion,
  handles: MappingHandle[],
  order: Int32Array,
  start: number,
  count: number,
): number {
  let total = 0
  const mask = order.length - 1
  for (let index = start; index < start + count; index++) {
    const which = order[index & mask]!
    const handle = handles[which]!
    total ^= lowerHalf(region.addressOf(handle))
    region.syncForCpu(handle)
    region.syncForDevice(handle)
    region.unmapSingle(handle)
    handles[which] = region.mapSingle(which * BUFFER, BUFFER, DmaDirection.ToDevice)
  }
  return total
}

function checkedDevice(): DmaDevice {
  const device = createDevice()
  setDmaChecker(device, new DmaChecker())
  return device
}

/** What the region itself takes; its memory, and the caller's handles, are not part of it. */
async function measureBytes(device: DmaDevice): Promise<Measured> {
  const region = createDmaRegion(device, { byteLength: MILLION * BUFFER })
  region.bytes.fill(0)
  const before = await liveBytes()
  for (let index = 0; index < MILLION; index++) {
    region.mapSingle(index * BUFFER, BUFFER, DmaDirection.ToDevice)
  }
  const bytes = (await liveBytes()) - before
  return single(bytes / region.liveMappings)
}

/** Array buffers are swept by another thread: what a first collection finds, a later one knows to be gone. */
async function liveBytes(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc!()
    await nextTurn()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The last of what has become garbage, so that the engine has to make it. */
let garbage: object[] = []

let measuredStalls: Promise<{ pause: Measured; batch: Measured; longest: Measured }> | undefined

/** Runs once, whichever of its rows asks first. */
function stalls(context: Context): Promise<{ pause: Measured; batch: Measured; longest: Measured }> {
  measuredStalls ??= measureStalls(context)
  return measuredStalls
}

async function measureStalls(
  context: Context,
): Promise<{ pause: Measured; batch: Measured; longest: Measured }> {
  const { region, handles } = createMillion()
  const order = anyOrder()
  for (let start = 0; start < COUNT; start += BATCH) churn(region, handles, order, start, BATCH)
  globalThis.gc!()
  await nextTurn()
  const pauses = [0]
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) pauses.push(entry.duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  const batches: number[] = []
  const seconds = context.long ? 60 : context.quick ? 3 : 10
  const end = performance.now() + seconds * 1000
  for (let start = 0; performance.now() < end; start = (start + BATCH) % COUNT) {
    const began = performance.now()
    churn(region, handles, order, start, BATCH)
    batches.push(performance.now() - began)
    // A program's own garbage, all of which dies young: what survives would cost a pause by itself.
    garbage = Array.from({ length: BATCH }, (_, index) => ({ index }))
    // The observer is told between two turns.
    if (batches.length % 100 === 0) await nextTurn()
  }
  await setTimeout(50)
  observer.disconnect()
  garbage.length = 0
  return {
    pause: single(Math.max(...pauses), pauses.length - 1),
    batch: single(quantile(batches, 0.999), batches.length),
    longest: single(
      batches.reduce((longest, value) => Math.max(longest, value), 0),
      batches.length,
    ),
  }
}
