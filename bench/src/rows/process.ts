import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { allocateDmaMemory, createDmaRegion, DmaDirection } from '@linux-dma/core'
import { createDevice, kernel } from '../fixtures'
import { nextTurn } from '../pair'
import { type Context, type Measured, type Row, single } from '../row'
import { median } from '../statistics'

/** Buffers made and closed between two turns of the event loop. */
const BATCH = 1000

/** What a whole process sees: how long it takes to start, and whether it grows. */
export function processRows(): Row[] {
  return [
    { name: 'cold start to the first mapping', unit: 'ms', measure: coldStart },
    { name: 'descriptors leaked', unit: 'of a million', measure: (context) => leak(context, 'descriptors') },
    { name: 'maps leaked', unit: 'of a million', measure: (context) => leak(context, 'maps') },
    { name: 'locked KiB leaked', unit: 'KiB', measure: (context) => leak(context, 'lockedKilobytes') },
    { name: 'resident memory grown', unit: 'MiB', measure: (context) => leak(context, 'residentMegabytes') },
  ]
}

/** In fresh processes, from the first import to the first mapping of a region, with the start of Node.js left out. */
function coldStart(context: Context): Measured {
  const program = fileURLToPath(new URL('cold-start.js', import.meta.url))
  const runs = context.quick ? 5 : 11
  const times = Array.from({ length: runs }, () =>
    Number(execFileSync(process.execPath, [program], { encoding: 'utf8', env: {} })),
  )
  return single(median(times), runs)
}

interface Footprint {
  descriptors: number
  maps: number
  lockedKilobytes: number
  residentMegabytes: number
}

let measuredGrowth: Promise<{ growth: Footprint; cycles: number }> | undefined

async function leak(context: Context, what: keyof Footprint): Promise<Measured> {
  measuredGrowth ??= measureGrowth(context.quick ? 100_000 : 1_000_000)
  const { growth, cycles } = await measuredGrowth
  return single(growth[what], cycles)
}

/** A region with a mapping, made and closed: all that the packages hold is given back each time. */
async function measureGrowth(cycles: number): Promise<{ growth: Footprint; cycles: number }> {
  const device = createDevice()
  const cycle = () => {
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const region = createDmaRegion(device, { memory })
    region.mapSingle(0, 4096, DmaDirection.ToDevice)
    memory.bytes[0] = 1
    memory.close()
  }
  const run = async (count: number) => {
    for (let done = 0; done < count; done += BATCH) {
      for (let index = 0; index < BATCH; index++) cycle()
      await nextTurn()
    }
  }
  await run(cycles / 10)
  const before = await footprint()
  await run(cycles)
  const after = await footprint()
  const growth = { ...after }
  for (const key of Object.keys(growth) as (keyof Footprint)[]) growth[key] -= before[key]
  return { growth, cycles }
}

/** After a garbage collection and a moment for its finalizers. */
async function footprint(): Promise<Footprint> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc!()
    await nextTurn()
  }
  const status = readFileSync('/proc/self/status', 'utf8')
  const kilobytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    // The process's own heap grows and shrinks by maps of its own; the packages' are those of a memfd, and parked ones.
    maps: maps.filter((line) => line.includes('/memfd:')).length + kernelMappings(),
    lockedKilobytes: kilobytes('VmLck'),
    residentMegabytes: kilobytes('VmRSS') / 1024,
  }
}

function kernelMappings(): number {
  const { mappings } = kernel.live()
  return mappings
}
