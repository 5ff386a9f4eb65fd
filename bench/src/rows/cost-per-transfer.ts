import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { createDmaRegion, DmaDirection, type DmaRegion, type IoRegion } from '@linux-dma/core'
import type { BoundRegister } from '@linux-dma/native'
import { createDevice, createRegisters } from '../fixtures'
import { nanosecondsPerOperation, nextTurn, pair } from '../pair'
import type { Reference } from '../reference'
import { type Measured, type Row, single } from '../row'

const REGION = 1 << 20
const BUFFER = 4096
const TRANSFERS = 10_000_000
const COUNTED_TRANSFERS = 100_000
const PER_CALL = 10_000
/** V8's default for a half of the young generation, which one collection empties. */
const SEMI_SPACE = 16 << 20

/** What a whole transfer costs besides time: native calls, garbage. And what a native call costs where one is made. */
export function costRows(reference: Reference): Row[] {
  return [
    {
      name: 'native call with arguments',
      unit: 'ns',
      measure(context) {
        const { registers } = createRegisters(4096)
        const region = createDmaRegion(createDevice(), { byteLength: REGION })
        const address = region.addressAt(0, BUFFER)
        const holder = reference.holder()
        const low = 0x2340_0000
        return pair(
          context,
          nanosecondsPerOperation((count) => {
            for (let index = 0; index < count; index++) reference.store64(holder, 0, low, 1)
          }, 200_000),
          nanosecondsPerOperation((count) => {
            for (let index = 0; index < count; index++) registers.writeAddress(0x80, address)
          }, 200_000),
        )
      },
    },
    { name: 'native calls per transfer', unit: 'calls', measure: countNativeCalls },
    { name: 'bytes allocated per transfer', unit: 'B', measure: measureAllocation },
  ]
}

/** A transfer with all that a driver does for it: the address in two registers, the doorbell, both syncs. */
function transfer(region: DmaRegion, registers: IoRegion, doorbell: BoundRegister, count: number): void {
  for (let index = 0; index < count; index++) {
    const handle = region.mapSingle((index & 0xff) * BUFFER, BUFFER, DmaDirection.FromDevice)
    registers.writeAddressLowHigh(0x80, region.addressOf(handle))
    doorbell.write(1)
    region.syncForCpu(handle)
    region.syncForDevice(handle)
    region.unmapSingle(handle)
  }
}

function createParts(): [DmaRegion, IoRegion, BoundRegister] {
  const { registers } = createRegisters(4096)
  const region = createDmaRegion(createDevice(), { byteLength: REGION })
  return [region, registers, registers.register32(0x98)]
}

/** Puts a counter before every function of the compiled addon. */
function countNativeCalls(): Measured {
  const load = createRequire(import.meta.url)
  const root = dirname(load.resolve('@linux-dma/native/package.json'))
  const file = (load('node-gyp-build') as { path(root: string): string }).path(root)
  const addon = load(file) as Record<string, unknown>
  const parts = createParts()
  const originals = { ...addon }
  let calls = 0
  for (const [name, original] of Object.entries(originals)) {
    if (typeof original !== 'function') continue
    addon[name] = (...args: unknown[]) => {
      calls++
      return Reflect.apply(original, addon, args)
    }
  }
  // Proof that the counters are in the packages' way.
  createRegisters(4096)
  if (calls === 0) throw new Error('the counters saw no call of the addon')
  calls = 0
  transfer(...parts, COUNTED_TRANSFERS)
  const counted = calls
  Object.assign(addon, originals)
  return single(counted / COUNTED_TRANSFERS)
}

/** The least of three: now and then the engine compiles something again, and that is heap as well. */
async function measureAllocation(): Promise<Measured> {
  const [region, registers, doorbell] = createParts()
  const run = () => {
    for (let done = 0; done < TRANSFERS; done += PER_CALL) transfer(region, registers, doorbell, PER_CALL)
  }
  run()
  const growths = [await heapGrowth(run), await heapGrowth(run), await heapGrowth(run)]
  return single(Math.min(...growths) / TRANSFERS, growths.length)
}

/** Bytes, with what a garbage collection took away counted as the least that it can have been. */
async function heapGrowth(run: () => void): Promise<number> {
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  globalThis.gc!()
  await nextTurn()
  observer.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage().heapUsed
  run()
  const growth = process.memoryUsage().heapUsed - before
  await nextTurn()
  observer.disconnect()
  return collections * SEMI_SPACE + Math.max(0, growth)
}
