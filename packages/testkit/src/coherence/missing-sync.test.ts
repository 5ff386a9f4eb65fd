// By the package's own name, as vfio does: its devices are then of the same class.
import {
  createDmaRegion,
  type DmaDevice,
  DmaDirection,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine, type FakeMachine } from '../machine'
import { EduDevice } from '../models/edu'

const { Bidirectional } = DmaDirection
const BUFFER = 0x40000

/** What a driver calls, or leaves out. */
interface Syncs {
  forDevice(device: DmaDevice, mapping: ReturnType<typeof dmaMapSingle>): void
  forCpu(device: DmaDevice, mapping: ReturnType<typeof dmaMapSingle>): void
}

const all: Syncs = { forDevice: dmaSyncSingleForDevice, forCpu: dmaSyncSingleForCpu }
const noneForDevice: Syncs = { ...all, forDevice() {} }
const noneForCpu: Syncs = { ...all, forCpu() {} }

async function transfer(device: VfioDevice, source: number, destination: number, command: number) {
  const registers = device.bar(0)
  registers.write32(0x80, source)
  registers.write32(0x88, destination)
  registers.write32(0x90, 256)
  registers.write32(0x98, command)
  await device.kernel.clock.sleep(100)
}

/** A driver of edu: two packets to the device and back, by one mapping. Tells what came back. */
async function echo(machine: FakeMachine, syncs: Syncs, look: (bytes: Uint8Array) => void = () => {}) {
  const { kernel } = machine
  const edu = machine.addDevice(new EduDevice())
  using device = openVfioDevice(edu.address, { kernel })
  device.setMaster()
  dmaSetMask(device, dmaBitMask(28))
  using region = createDmaRegion(device, { byteLength: 4096 })
  const bytes = region.bytes.subarray(256, 512)
  const mapping = dmaMapSingle(device, bytes, Bidirectional)
  const address = mapping.dmaAddress as unknown as number
  const echoed: number[] = []
  for (const packet of [11, 22]) {
    dmaSyncSingleForCpu(device, mapping)
    bytes.fill(packet)
    syncs.forDevice(device, mapping)
    await transfer(device, address, BUFFER, 1)
    syncs.forCpu(device, mapping)
    bytes.fill(0)
    dmaSyncSingleForDevice(device, mapping)
    await transfer(device, BUFFER, address, 3)
    syncs.forCpu(device, mapping)
    look(bytes)
    echoed.push(bytes[0]!, bytes[255]!)
  }
  dmaUnmapSingle(device, mapping)
  return echoed
}

const right = [11, 11, 22, 22]
const models = ['coherent', 'write-back', 'bounce'] as const

describe.each(models)('on a machine that is %s', (coherence) => {
  it('a driver with all of its syncs does what it is to', async () => {
    const machine = createFakeMachine({ coherence })
    const echoed = await echo(machine, all, (bytes) => machine.assertNotStale(bytes))
    expect(echoed).toEqual(right)
    machine.assertNoDmaErrors()
    machine.assertQuiescent()
  })

  it('one without its syncs does so at most by luck', async () => {
    const lucky = coherence === 'coherent'
    for (const syncs of [noneForDevice, noneForCpu]) {
      const echoed = await echo(createFakeMachine({ coherence, checks: 'off' }), syncs)
      if (lucky) expect(echoed).toEqual(right)
      else expect(echoed).not.toEqual(right)
    }
  })
})

describe('what is told of a sync that is missing', () => {
  it('for the device: which bytes it read that the CPU wrote, of what, when, and what to call', async () => {
    const machine = createFakeMachine({ coherence: 'write-back' })
    await echo(machine, noneForDevice)
    expect(machine.dmaErrors.map((error) => (error as { code?: string }).code)).toEqual([
      'DMA_STALE',
      'DMA_STALE',
    ])
    const [{ message }] = machine.dmaErrors as [Error]
    expect(message).toMatch(
      /stale: bytes 0\.\.255 of the 256-byte bidirectional mapping at 0x\w+ were written by the CPU and not synced for the device: 0000:00:04\.0 read what memory had before, at 100\.\d+ ms/,
    )
    expect(message).toMatch(/mapped at .*missing-sync\.test\.ts/)
    expect(message).toContain('dmaSyncSingleForDevice(device, mapping)')
    expect(() => machine.assertNoDmaErrors()).toThrow(expect.objectContaining({ code: 'DMA_DEBUG' }))
  })

  it('for the CPU: which bytes it is about to look at that the device wrote', async () => {
    const machine = createFakeMachine({ coherence: 'write-back' })
    const error = await echo(machine, noneForCpu, (bytes) => machine.assertNotStale(bytes)).catch(
      (reason) => reason,
    )
    expect(error).toMatchObject({ code: 'DMA_STALE' })
    expect(error.message).toMatch(
      /stale: bytes 0\.\.255 were written by 0000:00:04\.0, at 0x\w+, at 200\.\d+ ms and not synced for the CPU/,
    )
    expect(error.message).toContain('call dmaSyncSingleForCpu(device, mapping) before the CPU looks')
  })
})

describe('two runs', () => {
  it.each(models)('of one seed are the same, byte for byte, on a machine that is %s', async (coherence) => {
    const run = async () => {
      const machine = createFakeMachine({ coherence, seed: 7, checks: 'collect' })
      const echoed = await echo(machine, noneForDevice)
      return [echoed, machine.dmaErrors.map(({ message }) => message), machine.clock.now()]
    }
    const runs: unknown[] = []
    for (let round = 0; round < 2; round++) runs.push(await run())
    expect(runs[0]).toEqual(runs[1])
  })
})
