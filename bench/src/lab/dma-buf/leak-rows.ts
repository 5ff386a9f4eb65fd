import { readdirSync, readFileSync } from 'node:fs'
import type { Kernel } from '@linux-dma/native'
import { createUdmabuf } from '@linux-dma/udmabuf'
import { nextTurn } from '../../pair'
import { type Row, single } from '../../row'

const BUFFERS = 10_000
/** Made between two turns of the event loop. */
const BATCH = 500
/** All of them together are a third of the guest's memory: what stays behind of them is seen. */
const SIZE = 1 << 16

/** What is left behind of many buffers. */
interface Footprint {
  descriptors: number
  maps: number
  /** Memory of memfds and the like in the whole machine, in MiB: it is all that a udmabuf is made of. */
  memory: number
}

/** Descriptors, maps and memory that 10,000 buffers leave, each made, mapped, written and closed. */
export function leakRows(kernel: Kernel): Row[] {
  let measured: Promise<Footprint> | undefined
  const row = (name: string, unit: string, what: keyof Footprint): Row => ({
    name,
    unit,
    async measure() {
      measured ??= measureGrowth(kernel)
      return single((await measured)[what], BUFFERS)
    },
  })
  return [
    row('udmabufs: descriptors left', 'of 10,000', 'descriptors'),
    row('udmabufs: maps left', 'of 10,000', 'maps'),
    row('udmabufs: memory left of 625 MiB', 'MiB', 'memory'),
  ]
}

async function measureGrowth(kernel: Kernel): Promise<Footprint> {
  const run = async (count: number) => {
    for (let done = 0; done < count; done += BATCH) {
      for (let index = 0; index < BATCH; index++) {
        using buffer = createUdmabuf({ size: SIZE, kernel })
        buffer.map().bytes[0] = 1
      }
      await nextTurn()
    }
  }
  await run(BATCH)
  const before = footprint(kernel)
  await run(BUFFERS)
  const after = footprint(kernel)
  return {
    descriptors: after.descriptors - before.descriptors,
    maps: after.maps - before.maps,
    memory: Math.max(0, after.memory - before.memory),
  }
}

function footprint(kernel: Kernel): Footprint {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const shared = /^Shmem:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    maps: maps.filter((line) => /\/(memfd|dmabuf):/.test(line)).length + kernel.live().mappings,
    memory: Number(shared) / 1024,
  }
}
