import {
  bounceOps,
  createDmaRegion,
  DmaDirection,
  type DmaRegion,
  dmaPoolCreate,
  getDmaOps,
  type PoolHandle,
  setDmaOps,
} from '@linux-dma/core'
import { createDevice } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import { type Measured, type Row, single } from '../row'
import { median } from '../statistics'

const BOUNCED = [65_536, 262_144] as const
/** What `bounceOps` takes unless it is told otherwise. */
const POOL = 1 << 20
const COPIES = 4000
const COUNT = 4_000_000
const LIVE = 64

/** Small blocks, syncs that have nothing to do, and copies that stand in for buffers. */
export function poolAndBounceRows(reference: Reference): Row[] {
  return [
    { name: 'pool get and put', unit: 'ns', measure: measurePool },
    { name: 'sync where nothing is to be done', unit: 'ns', measure: measureSync },
    ...BOUNCED.map((byteLength) => bounceRow(reference, byteLength, 'sync', syncBothWays)),
    ...BOUNCED.map((byteLength) => bounceRow(reference, byteLength, 'map and unmap', mapAndUnmap)),
  ]
}

/** The oldest of some blocks goes back, and a new one is taken. */
function measurePool(): Measured {
  const pool = dmaPoolCreate('bench', createDevice(), 64, 64)
  const live = Array.from({ length: LIVE }, () => pool.get())
  const turn = (handles: PoolHandle[], count: number) => {
    for (let index = 0; index < count; index++) {
      const slot = index & (LIVE - 1)
      pool.put(handles[slot]!)
      handles[slot] = pool.get()
    }
  }
  return absolute((count) => turn(live, count))
}

function measureSync(): Measured {
  const region = createDmaRegion(createDevice(), { byteLength: 1 << 16 })
  const handle = region.mapSingle(0, 2048, DmaDirection.Bidirectional)
  const { ours, runs } = absolute((count) => {
    for (let index = 0; index < count; index++) {
      region.syncForCpu(handle)
      region.syncForDevice(handle)
    }
  })
  return single(ours / 2, runs)
}

/** Bytes that are bounced to the device and back, beside two of memcpy(). */
function bounceRow(
  reference: Reference,
  byteLength: number,
  verb: string,
  bounce: (region: DmaRegion, byteLength: number) => (count: number) => void,
): Row {
  return {
    name: `bounce of ${byteLength / 1024} KiB, ${verb}`,
    unit: 'ns',
    measure(context) {
      const device = createDevice()
      setDmaOps(device, bounceOps(getDmaOps(device), { force: true }))
      const region = createDmaRegion(device, { byteLength })
      // Memory of the same kind, and in turn another part of it where slots go round.
      const buffer = createDmaRegion(device, { byteLength }).bytes.fill(1)
      const pool = createDmaRegion(device, { byteLength: verb === 'sync' ? byteLength : POOL }).bytes.fill(2)
      return pair(
        context,
        nanosecondsPerOperation((count) => reference.copyBothWays(buffer, pool, byteLength, count), COPIES),
        nanosecondsPerOperation(bounce(region, byteLength), COPIES),
      )
    },
  }
}

function syncBothWays(region: DmaRegion, byteLength: number): (count: number) => void {
  const handle = region.mapSingle(0, byteLength, DmaDirection.Bidirectional)
  return (count) => {
    for (let index = 0; index < count; index++) {
      region.syncForDevice(handle)
      region.syncForCpu(handle)
    }
  }
}

function mapAndUnmap(region: DmaRegion, byteLength: number): (count: number) => void {
  return (count) => {
    for (let index = 0; index < count; index++) {
      region.unmapSingle(region.mapSingle(0, byteLength, DmaDirection.Bidirectional))
    }
  }
}

function absolute(loop: (count: number) => void): Measured {
  const sample = nanosecondsPerOperation(loop, COUNT)
  for (let turn = 0; turn < 3; turn++) sample()
  const samples = Array.from({ length: 9 }, sample)
  return single(median(samples), samples.length)
}
