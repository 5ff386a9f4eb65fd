import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaDirection,
  getDmaOps,
  lowerHalf,
  readFrames,
  setDmaOps,
} from '@linux-dma/core'
import { dmaMapSgtable, dmaUnmapSgtable, forEachChunk, SgTable } from '@linux-dma/sg'
import { createDevice, kernel } from '../fixtures'
import { nanosecondsPerOperation, nextTurn, pair } from '../pair'
import type { Reference } from '../reference'
import { type Context, type Measured, type Row, single } from '../row'
import { median } from '../statistics'

const PAGE = 4096
/** 1 GiB. */
const PAGES = 262_144
const MAX_SEGMENT = 65_536
const PAGES_PER_SEGMENT = MAX_SEGMENT / PAGE
/** Of a hundred pages, how many follow the page before them. */
const CONTIGUITY = [95, 50, 100] as const
const MAPPED_SEGMENTS = 10_000
const ITERATIONS = 1000
const IN_FLIGHT = [1, 1024] as const
const CHUNKS = 4096
const CHUNK = 16_384
const BOUNCED = 16_000
const SLOT = 2048

/** Tables of memory segments: see native/scatterlist.c for what C does. */
export function scatterlistRows(reference: Reference): Row[] {
  return [
    ...CONTIGUITY.map((contiguity) => buildRow(reference, contiguity, false)),
    buildRow(reference, CONTIGUITY[0], true),
    ...(mayReadFrames() ? [translateRow(reference)] : []),
    { name: 'bytes per segment', unit: 'B', measure: measureMemory },
    { name: 'bytes allocated per segment walked', unit: 'B', measure: measureIteration },
    { name: 'table mapped in a region, per segment', unit: 'ns', measure: measureMapping },
    { name: 'segment of a bounced table, walked', unit: 'ns', measure: measureBouncedWalk },
    ...IN_FLIGHT.map((inFlight) => ({
      name: `chunk of a table, ${inFlight} in flight`,
      unit: 'ns',
      measure: () => measureChunks(inFlight),
    })),
  ]
}

function buildRow(reference: Reference, contiguity: number, byRun: boolean): Row {
  return {
    name: `table of 1 GiB of pages, ${contiguity}% contiguous${byRun ? ', beside the fastest C' : ''}`,
    unit: 'ms',
    measure(context) {
      const frames = framesOf(contiguity)
      const expected = reference.buildTable(frames, PAGES_PER_SEGMENT, 1)
      const { origNents } = SgTable.fromPages(frames, { maxSegment: MAX_SEGMENT })
      if (origNents !== expected) throw new Error(`${origNents} segments where C finds ${expected}`)
      return pair(
        context,
        milliseconds(() => reference.buildTable(frames, PAGES_PER_SEGMENT, byRun ? 1 : 0)),
        milliseconds(() => SgTable.fromPages(frames, { maxSegment: MAX_SEGMENT })),
      )
    },
  }
}

/** Only root is told which frames its pages have. */
function mayReadFrames(): boolean {
  const may = process.geteuid?.() === 0
  if (!may) console.error('left out, since frame numbers are told to root only: pages to frames to table')
  return may
}

/** One read of /proc/self/pagemap for a GiB of base pages that are pinned, and a table of the frames. */
function translateRow(reference: Reference): Row {
  return {
    name: 'pages to frames to table, 1 GiB',
    unit: 'ms',
    async measure(context) {
      using memory = allocateDmaMemory({ byteLength: PAGES * PAGE, kernel })
      for (let page = 0; page < PAGES; page++) memory.bytes[page * PAGE] = 1
      using _pin = memory.pin()
      const entries = new BigUint64Array(PAGES)
      const frames = new Uint32Array(PAGES)
      const expected = reference.translateAndBuild(memory.address, entries, PAGES_PER_SEGMENT)
      const translate = () => SgTable.fromPages(readFrames(memory, {}, frames), { maxSegment: MAX_SEGMENT })
      const { origNents } = translate()
      if (origNents !== expected) throw new Error(`${origNents} segments where C finds ${expected}`)
      return await pair(
        context,
        milliseconds(() => reference.translateAndBuild(memory.address, entries, PAGES_PER_SEGMENT)),
        milliseconds(translate),
      )
    },
  }
}

/** Frame numbers of which the given share follow the one before; the others begin somewhere else. */
export function framesOf(contiguity: number): Uint32Array {
  const frames = new Uint32Array(PAGES)
  let state = 1
  let frame = 0x10_0000
  for (let page = 0; page < PAGES; page++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    frame = state % 10_007 < contiguity * 100.07 ? frame + 1 : frame + 2 + ((state >>> 8) & 0xff)
    frames[page] = frame
  }
  return frames
}

function milliseconds(work: () => unknown): () => number {
  return () => {
    const start = process.hrtime.bigint()
    work()
    return Number(process.hrtime.bigint() - start) / 1e6
  }
}

async function measureMemory(): Promise<Measured> {
  const frames = framesOf(0)
  const before = await memoryInUse()
  const tables = Array.from({ length: 8 }, () => SgTable.fromPages(frames))
  const grown = (await memoryInUse()) - before
  const segments = tables.reduce((sum, { origNents }) => sum + origNents, 0)
  return single(grown / segments)
}

/** What earlier rows left behind is collected first, in as many turns as finalizers need. */
async function memoryInUse(): Promise<number> {
  for (let turn = 0; turn < 4; turn++) {
    gc!()
    await nextTurn()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Growth of the heap while a table is walked by `for…of`, again and again. */
function measureIteration(): Measured {
  const table = SgTable.fromPages(framesOf(50))
  const walk = () => {
    let longest = 0
    for (const segment of table) longest = Math.max(longest, segment.byteLength)
    return longest
  }
  for (let turn = 0; turn < 20; turn++) walk()
  const growths = Array.from({ length: 101 }, () => {
    const before = process.memoryUsage().heapUsed
    walk()
    return process.memoryUsage().heapUsed - before
  })
  return single(Math.max(0, median(growths)) / table.origNents, growths.length)
}

/** Segments of 2 KiB, one in two pages, so that none are joined. */
function measureMapping(context: Context): Measured | Promise<Measured> {
  const device = createDevice()
  const region = createDmaRegion(device, { byteLength: MAPPED_SEGMENTS * 2 * PAGE })
  const views = Array.from({ length: MAPPED_SEGMENTS }, (_, i) =>
    region.bytes.subarray(i * 2 * PAGE, i * 2 * PAGE + PAGE / 2),
  )
  const table = SgTable.fromBuffers(views)
  const sample = nanosecondsPerOperation(
    (count) => {
      let total = 0
      for (let turn = 0; turn < count; turn++) {
        const mapped = dmaMapSgtable(device, table, DmaDirection.FromDevice)
        total ^= lowerHalf(mapped.dmaAddressAt(MAPPED_SEGMENTS - 1))
        dmaUnmapSgtable(device, mapped)
      }
      return total
    },
    context.quick ? ITERATIONS / 10 : ITERATIONS,
  )
  sample()
  const samples = Array.from({ length: 9 }, () => sample() / MAPPED_SEGMENTS)
  return single(median(samples), samples.length)
}

/** Chunks of 16 KiB in a region, each of which is through in the next turn of the promises. */
async function measureChunks(inFlight: number): Promise<Measured> {
  const device = createDevice()
  const region = createDmaRegion(device, { byteLength: CHUNKS * CHUNK })
  const table = SgTable.fromBuffers([region.bytes])
  const transfer = async () => {
    const start = process.hrtime.bigint()
    await forEachChunk(device, table, DmaDirection.ToDevice, { maxBytes: CHUNK, inFlight }, async () => {})
    return Number(process.hrtime.bigint() - start) / CHUNKS
  }
  const samples: number[] = []
  for (let turn = 0; turn < 14; turn++) samples.push(await transfer())
  return single(median(samples.slice(5)), 9)
}

/** Each of whose segments is mapped by itself: the cost of one is not to grow with how many there are. */
function measureBouncedWalk(): Measured {
  const device = createDevice()
  setDmaOps(device, bounceOps(getDmaOps(device), { force: true, byteLength: BOUNCED * SLOT }))
  const bytes = new Uint8Array(BOUNCED * 64)
  const views = Array.from({ length: BOUNCED }, (_, i) => bytes.subarray(i * 64, i * 64 + 32))
  const mapped = dmaMapSgtable(device, SgTable.fromBuffers(views), DmaDirection.ToDevice)
  const walk = () => {
    const start = process.hrtime.bigint()
    let longest = 0
    for (const { dmaLength } of mapped) longest = Math.max(longest, dmaLength)
    if (longest !== 32) throw new Error(`a segment of ${longest} bytes`)
    return Number(process.hrtime.bigint() - start) / BOUNCED
  }
  walk()
  return single(median(Array.from({ length: 9 }, walk)), 9)
}
