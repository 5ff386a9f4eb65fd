import {
  createDmaRegion,
  DmaDirection,
  type DmaRegion,
  dmaMapSingle,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice, type FakeMachine } from '@linux-dma/testkit'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { nextTurn } from '../pair'
import { type Context, type Measured, type Row, single } from '../row'
import { median } from '../statistics'

const BUFFER = 64
const MILLION = 1_000_000
/** Transfers whose places are taken down, each: of later ones one in 64. */
const FIRST = 4096

/** What a test on a fake machine waits for: the machine as it is made, with its checks and its trace. */
export function fakeMachineRows(): Row[] {
  return [
    {
      name: 'fake machine: map, sync, unmap in a region',
      unit: 'ns',
      measure: (context) => perTransfer(context, ({ region }) => transferInRegion(region)),
    },
    {
      name: 'fake machine: map, sync, unmap as objects',
      unit: 'ns',
      measure: (context) => perTransfer(context, ({ device, region }) => transferAsObject(device, region)),
    },
    { name: 'fake machine: the first 4000 transfers', unit: 'ns', measure: firstTransfers },
    {
      name: 'fake machine: register read',
      unit: 'ns',
      measure(context) {
        return perTransfer(context, ({ device }) => device.bar(0).read32(0))
      },
    },
    { name: 'fake machine: a million live mappings', unit: 'MiB', measure: measureMillion },
  ]
}

interface Opened {
  machine: FakeMachine
  device: VfioDevice
  region: DmaRegion
}

function open(byteLength: number): Opened {
  const machine = createFakeMachine({ memlockLimit: Infinity })
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, device, region: createDmaRegion(device, { byteLength }) }
}

const FEW = 4000

/** What a test waits for that is over soon, as most are: each has its two places in the program taken down. */
function firstTransfers(): Measured {
  const samples = Array.from({ length: 5 }, () => {
    const opened = open(1 << 16)
    const start = process.hrtime.bigint()
    for (let index = 0; index < FEW; index++) transferAsObject(opened.device, opened.region)
    const elapsed = Number(process.hrtime.bigint() - start) / FEW
    opened.device.close()
    return elapsed
  })
  return single(median(samples), samples.length * FEW)
}

/** After the first four thousand, which have their places in the program taken down. */
function perTransfer(context: Context, once: (opened: Opened) => unknown): Measured {
  const opened = open(1 << 16)
  const count = context.quick ? 50_000 : 200_000
  for (let index = 0; index < FIRST; index++) once(opened)
  const samples = Array.from({ length: 5 }, () => {
    const start = process.hrtime.bigint()
    for (let index = 0; index < count; index++) once(opened)
    return Number(process.hrtime.bigint() - start) / count
  })
  opened.device.close()
  opened.machine.assertQuiescent()
  return single(median(samples), samples.length * count)
}

function transferInRegion(region: DmaRegion): void {
  const handle = region.mapSingle(0, BUFFER, DmaDirection.Bidirectional)
  region.syncForCpu(handle)
  region.syncForDevice(handle)
  region.unmapSingle(handle)
}

function transferAsObject(device: VfioDevice, { bytes }: DmaRegion): void {
  const mapping = dmaMapSingle(device, bytes.subarray(0, BUFFER), DmaDirection.Bidirectional)
  dmaSyncSingleForCpu(device, mapping)
  dmaSyncSingleForDevice(device, mapping)
  dmaUnmapSingle(device, mapping)
}

/** What the process grows by, all told but for the 64 MB of the buffers themselves. */
async function measureMillion(): Promise<Measured> {
  const { device, region } = open(MILLION * BUFFER)
  region.bytes.fill(0)
  const before = await resident()
  for (let index = 0; index < MILLION; index++) {
    region.mapSingle(index * BUFFER, BUFFER, DmaDirection.ToDevice)
  }
  const grown = (await resident()) - before
  device.close()
  return single(grown / 2 ** 20, MILLION)
}

async function resident(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc!()
    await nextTurn()
  }
  return process.memoryUsage.rss()
}
