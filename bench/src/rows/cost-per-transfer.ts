import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { createDmaRegion, DmaDirection, type DmaRegion, lowerHalf, upperHalf } from '@linux-dma/core'
import type { BoundRegister } from '@linux-dma/native'
import { createDevice, createRegisters } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import { type Measured, type Row, single } from '../row'
import { median } from '../statistics'

const REGION = 1 << 20
const BUFFER = 4096
const TRANSFERS = 10_000_000
const COUNTED_TRANSFERS = 100_000
/** Between two looks at the heap. */
const BATCH = 10_000
const PER_CALL = 100

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

/** What a driver's loop holds. */
interface Parts {
  region: DmaRegion
  low: BoundRegister
  high: BoundRegister
  doorbell: BoundRegister
}

/** Transfers with all that a driver does for one: the address in two registers, the doorbell, both syncs. */
function transfer({ region, low, high, doorbell }: Parts, count: number): void {
  for (let index = 0; index < count; index++) {
    const handle = region.mapSingle((index & 0xff) * BUFFER, BUFFER, DmaDirection.FromDevice)
    const address = region.addressOf(handle)
    low.write(lowerHalf(address))
    high.write(upperHalf(address))
    doorbell.write(1)
    region.syncForCpu(handle)
    region.syncForDevice(handle)
    region.unmapSingle(handle)
  }
}

function createParts(): Parts {
  const { registers } = createRegisters(4096)
  return {
    region: createDmaRegion(createDevice(), { byteLength: REGION }),
    low: registers.register32(0x80),
    high: registers.register32(0x84),
    doorbell: registers.register32(0x98),
  }
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
  transfer(parts, COUNTED_TRANSFERS)
  const counted = calls
  Object.assign(addon, originals)
  return single(counted / COUNTED_TRANSFERS)
}

/** Over ten million transfers, in short calls: with those the engine compiles the function and not only its loop. */
function measureAllocation(): Measured {
  const parts = createParts()
  const batch = () => {
    for (let done = 0; done < BATCH; done += PER_CALL) transfer(parts, PER_CALL)
  }
  const turns = TRANSFERS / BATCH
  for (let turn = 0; turn < turns; turn++) heapGrowth(batch)
  // Looking costs some bytes itself.
  const looking = median(Array.from({ length: turns }, () => heapGrowth(() => {})))
  const growths = Array.from({ length: turns }, () => heapGrowth(batch))
  // Where a collection took something away, the growth is not known.
  const known = growths.filter((growth) => growth >= 0)
  const mean = known.reduce((sum, growth) => sum + growth, 0) / known.length
  return single(Math.max(0, mean - looking) / BATCH, known.length)
}

function heapGrowth(work: () => void): number {
  const before = process.memoryUsage().heapUsed
  work()
  return process.memoryUsage().heapUsed - before
}
