import {
  allocateDmaMemory,
  createDmaRegion,
  DmaChecker,
  type DmaDevice,
  DmaDirection,
  DmaMisuse,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaMapResource,
  dmaMapSingle,
  dmaUnmapSingle,
  setDmaChecker,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, dmaUnmapSgtable, SgTable } from '@linux-dma/sg'
import { openUio } from '@linux-dma/uio'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine, type FakeMachine } from '../machine'
import { EduDevice } from '../models/edu'
import type { TraceEvent } from './trace-event'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

function opened(options: Parameters<typeof createFakeMachine>[0] = {}) {
  const machine = createFakeMachine(options)
  const edu = machine.addDevice(new EduDevice({ dmaMask: 2n ** 64n - 1n }))
  const device = openVfioDevice(edu.address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, edu, device }
}

function kinds(machine: FakeMachine, ...wanted: TraceEvent['kind'][]): object[] {
  return machine.trace.events
    .filter(({ kind }) => wanted.includes(kind))
    .map(({ n, time, device, ...event }) => ('at' in event ? { ...event, at: 'at' } : event))
}

function onlyMaps(machine: FakeMachine) {
  return machine.trace.events.flatMap((event) => (event.kind === 'map' ? [event] : []))
}

describe('a machine’s trace', () => {
  it('has maps, partial syncs and unmaps, with where they were made', () => {
    const { machine, device } = opened()
    const memory = allocateDmaMemory({ byteLength: 8192, kernel: machine.kernel })
    const mapping = dmaMapSingle(device, memory.bytes.subarray(256, 1256), FromDevice)
    const address = `0x${toNumber(mapping.dmaAddress).toString(16)}`
    mapping.syncForCpu(100, 50)
    mapping.syncForDevice()
    dmaUnmapSingle(device, mapping)
    const part = `0x${(Number(address) + 100).toString(16)}`
    expect(kinds(machine, 'map', 'sync', 'unmap')).toEqual([
      {
        kind: 'map',
        mapping: 1,
        address,
        byteLength: 1000,
        direction: 'from-device',
        family: 'single',
        at: 'at',
      },
      { kind: 'sync', for: 'cpu', mapping: 1, address: part, byteLength: 50 },
      { kind: 'sync', for: 'device', mapping: 1, address, byteLength: 1000 },
      { kind: 'unmap', mapping: 1, address, byteLength: 1000 },
    ])
    expect(onlyMaps(machine)[0]!.at).toMatch(/^at .*machine-trace\.test\.ts:\d+:\d+/)
    expect(machine.trace.events.every(({ device }) => device === '0000:00:04.0')).toBe(true)
  })

  it('has mappings of every family', () => {
    const { machine, device } = opened()
    const memory = allocateDmaMemory({ byteLength: 4 * 4096, kernel: machine.kernel })
    const table = SgTable.fromBuffers([memory.bytes.subarray(0, 4096), memory.bytes.subarray(8192, 8292)])
    const mapped = dmaMapSgtable(device, table, ToDevice)
    mapped.syncForCpu()
    mapped.syncForDevice()
    dmaUnmapSgtable(device, mapped)
    dmaAllocCoherent(device, 100).free()
    const noncoherent = dmaAllocNoncoherent(device, 200, Bidirectional)
    noncoherent.syncForDevice()
    const peer = machine.addDevice(new EduDevice())
    const other = openVfioDevice(peer.address, { kernel: machine.kernel })
    dmaMapResource(device, other.bar(0), 0, 4096, Bidirectional).unmap()
    device.close()
    const seen = kinds(machine, 'map', 'sync', 'unmap').map((event) => {
      const { kind, family, byteLength, mapping } = event as Record<string, unknown>
      return [kind, family, mapping, byteLength].filter((part) => part !== undefined).join(' ')
    })
    const segments = onlyMaps(machine).filter(({ family }) => family === 'sg')
    expect(segments.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(4196)
    const rest = seen.filter((line) => !segments.some(({ mapping }) => line.includes(` ${mapping} `)))
    const next = segments.length
    expect(rest).toEqual([
      `map coherent ${next + 1} 100`,
      `unmap ${next + 1} 100`,
      `map noncoherent ${next + 2} 200`,
      // The CPU has it first.
      `sync ${next + 2} 200`,
      `sync ${next + 2} 200`,
      `map resource ${next + 3} 4096`,
      `unmap ${next + 3} 4096`,
      `unmap ${next + 2} 200`,
    ])
    expect(seen.filter((line) => line.startsWith('sync')).length).toBe(2 * segments.length + 2)
  })

  it('has registers of every width, DMA, faults, interrupts and what was logged', async () => {
    const { machine, device, edu } = opened()
    const registers = device.bar(0)
    const interrupts = device.interrupts()
    machine.trace.clear()
    registers.write32(0x80, 0x9000)
    registers.write64(0x88, 0x4_0000n)
    registers.write32(0x90, 16)
    registers.write32(0x98, 5)
    await interrupts.wait({ timeoutMilliseconds: 200 })
    expect(registers.read64(0x88)).toBe(0x4_0000n)
    registers.read8(0)
    interrupts.close()
    machine.trace.note('a remark')
    machine.removeDevice(edu)
    const register = { kind: 'register', bar: 0 }
    expect(machine.trace.events.map(({ n, time, device, ...event }) => event)).toEqual([
      { ...register, access: 'write', offset: 0x80, name: 'dmaSource', width: 32, value: 0x9000 },
      { ...register, access: 'write', offset: 0x88, name: 'dmaDestination', width: 64, value: '0x40000' },
      { ...register, access: 'write', offset: 0x90, name: 'dmaCount', width: 32, value: 16 },
      { ...register, access: 'write', offset: 0x98, name: 'dmaCommand', width: 32, value: 5 },
      { kind: 'dma', access: 'read', address: '0x9000', byteLength: 16 },
      { kind: 'fault', access: 'read', address: '0x9000', byteLength: 16 },
      { kind: 'interrupt', vector: 0, count: 1, stage: 'raised' },
      { kind: 'interrupt', vector: 0, count: 1, stage: 'delivered' },
      { ...register, access: 'read', offset: 0x88, name: 'dmaDestination', width: 64, value: '0x40000' },
      { ...register, access: 'read', offset: 0, name: 'id', width: 8, value: 0 },
      { kind: 'interrupt', vector: 0, count: 0, stage: 'disabled' },
      { kind: 'note', message: 'a remark' },
      { kind: 'note', message: 'the device was pulled out' },
    ])
    const times = machine.trace.events.map(({ time }) => time)
    expect(times[4]).toBe(100.004)
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  it('has interrupts of UIO, and misuses', async () => {
    const { machine, device } = opened({ checks: 'collect' })
    const driver = machine.registerUio({ name: 'counter', version: '1', irq: 'custom' })
    {
      using uio = openUio({ name: 'counter' }, { kernel: machine.kernel })
      using interrupts = uio.interrupts()
      driver.notify(3)
      await interrupts.wait({ timeoutMilliseconds: 200 })
    }
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
    dmaMapSingle(device, memory.bytes.subarray(0, 100), FromDevice)
    dmaMapSingle(device, memory.bytes.subarray(100, 200), FromDevice)
    expect(kinds(machine, 'interrupt')).toEqual([
      { kind: 'interrupt', vector: 0, count: 3, stage: 'delivered' },
    ])
    const [misuse] = machine.trace.events.filter(({ kind }) => kind === 'misuse')
    expect(misuse).toMatchObject({
      class: DmaMisuse.MapOverlap,
      device: '0000:00:04.0',
      at: expect.stringContaining('machine-trace'),
    })
  })

  it('keeps the last ten thousand events', () => {
    const { machine, device } = opened()
    const { trace } = machine
    trace.clear()
    const registers = device.bar(0)
    for (let i = 0; i < 10_100; i++) registers.write32(0x64, i)
    expect([trace.dropped, trace.events.length]).toEqual([100, 10_000])
    expect(trace.events[0]).toMatchObject({ n: 100, value: 100, time: 0.101 })
    expect(trace.events.at(-1)).toMatchObject({ n: 10_099, value: 10_099 })
    trace.clear()
    expect(JSON.stringify(trace)).toBe('{"version":1,"machine":"fake","seed":1,"events":[],"dropped":0}')
    registers.write32(0x64, 1)
    expect(trace.events).toMatchObject([{ n: 0, value: 1 }])
  })

  it('is empty where nobody wants it, and there is then no ledger either', () => {
    const { machine, device } = opened({ trace: false, checks: 'off' })
    device.bar(0).read32(0)
    expect(machine.trace.events).toEqual([])
    expect((device as DmaDevice).ledger).toBeUndefined()
    expect(() => createFakeMachine({ trace: 1 as never })).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
    )
  })

  it.each([
    ['off', ['map 1', 'unmap 1', 'map 2', 'unmap 2', 'map 3', 'unmap 3']],
    // What is mapped stays in the machine's own books.
    ['throw', ['map 1', 'unmap 1', 'map 2', 'unmap 2']],
  ] as const)('goes on where a checker is set while something is mapped, with checks: %s', (checks, all) => {
    const { machine, device } = opened({ checks })
    const region = createDmaRegion(device, { byteLength: 4096 })
    const handle = region.mapSingle(0, 64, ToDevice)
    setDmaChecker(device, new DmaChecker())
    region.unmapSingle(handle)
    region.unmapSingle(region.mapSingle(128, 64, ToDevice))
    const seen = machine.trace.events.flatMap((event) =>
      event.kind === 'map' || event.kind === 'unmap' ? [`${event.kind} ${event.mapping}`] : [],
    )
    expect(seen).toEqual(all)
  })
})
