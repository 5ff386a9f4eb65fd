import {
  allocateDmaMemory,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  dmaUnmapSingle,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, dmaUnmapSgtable, SgTable } from '@linux-dma/sg'
import { openUio } from '@linux-dma/uio'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { outcome } from '../../fixtures/outcome'
import { PlainDevice } from '../../fixtures/plain-device'
import { createFakeMachine, type FakeMachine } from '../../machine'
import { EduDevice } from '../../models/edu'
import { fromBase64 } from '../base64'
import type { LiveTrace, TraceEvent } from '../trace-event'
import { recordTrace } from './record-trace'

const { ToDevice, FromDevice } = DmaDirection

function bodies(trace: LiveTrace, ...kinds: TraceEvent['kind'][]): object[] {
  return trace.events.filter(({ kind }) => kinds.includes(kind)).map(({ n, time, device, ...event }) => event)
}

function bytesOf(trace: LiveTrace, kind: 'map' | 'sync' | 'unmap'): number[][] {
  return trace.events.flatMap((event) =>
    event.kind === kind ? [event.bytes === undefined ? [] : [...fromBase64(event.bytes)]] : [],
  )
}

function openEdu(machine: FakeMachine, options: Parameters<typeof recordTrace>[1] = { bytes: true }) {
  const { kernel, trace } = recordTrace(machine.kernel, options)
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel })
  device.setMaster()
  dmaSetMask(device, dmaBitMask(28))
  return { kernel, trace, device }
}

describe('a recorded kernel', () => {
  it('has register accesses of every width, by whatever way', () => {
    const machine = createFakeMachine()
    const { kernel, trace } = recordTrace(machine.kernel)
    const model = machine.addDevice(new PlainDevice())
    {
      using device = openVfioDevice(model.address, { kernel })
      const registers = device.bar(0)
      registers.write64(8, 0x1_0000_0002n)
      registers.write32(16, 3)
      registers.relaxed.write16(20, 4)
      registers.write8(22, 5)
      const bound = registers.register16(20)
      bound.write(0x0706)
      expect([registers.read64(8), registers.read32(16), bound.read(), registers.read8(22)]).toEqual([
        0x1_0000_0002n,
        3,
        0x0706,
        5,
      ])
    }
    const written = { kind: 'register', access: 'write', bar: 0 }
    const read = { kind: 'register', access: 'read', bar: 0 }
    expect(bodies(trace, 'register')).toEqual([
      { ...written, offset: 8, width: 64, value: '0x100000002' },
      { ...written, offset: 16, width: 32, value: 3 },
      { ...written, offset: 20, width: 16, value: 4 },
      { ...written, offset: 22, width: 8, value: 5 },
      { ...written, offset: 20, width: 16, value: 0x0706 },
      { ...read, offset: 8, width: 64, value: '0x100000002' },
      { ...read, offset: 16, width: 32, value: 3 },
      { ...read, offset: 20, width: 16, value: 0x0706 },
      { ...read, offset: 22, width: 8, value: 5 },
    ])
    // The machine's own trace says the same.
    expect(bodies(machine.trace, 'register')).toEqual(bodies(trace, 'register'))
    machine.assertQuiescent()
  })

  it('has BARs that are read and written by system calls, and windows that are closed', () => {
    const machine = createFakeMachine()
    const { kernel, trace } = recordTrace(machine.kernel)
    const model = machine.addDevice(new PlainDevice(), { driver: null })
    machine.kernel.writeText(`/sys/bus/pci/devices/${model.address}/enable`, '1')
    const fd = kernel.open(`/sys/bus/pci/devices/${model.address}/resource0`, 2)
    const copy = kernel.duplicate(fd)
    const window = kernel.mapRegisters(copy, { byteLength: 4096 })
    const register = window.bind(4, 32)
    register.write(9)
    window.close()
    expect([outcome(() => register.read()), outcome(() => window.read8(0))]).toEqual([
      'DMA_CLOSED',
      'DMA_CLOSED',
    ])
    kernel.close(fd)
    kernel.close(copy)
    expect(bodies(trace, 'register')).toEqual([
      { kind: 'register', access: 'write', bar: 0, offset: 4, width: 32, value: 9 },
    ])
    expect(trace.events[0]!.device).toBe(model.address)
  })

  it('has the bytes of maps, syncs and unmaps, when they are where they should be', async () => {
    for (const coherence of ['coherent', 'bounce', 'write-back'] as const) {
      const machine = createFakeMachine({ coherence })
      const { kernel, trace, device } = openEdu(machine)
      const memory = allocateDmaMemory({ byteLength: 4096, kernel })
      const [source, target] = [memory.bytes.subarray(0, 8), memory.bytes.subarray(2048, 2056)]
      source.set([1, 2, 3, 4, 5, 6, 7, 8])
      const registers = device.bar(0)
      const move = async (from: number, to: number, command: number) => {
        registers.write32(0x80, from)
        registers.write32(0x88, to)
        registers.write32(0x90, 8)
        registers.write32(0x98, command)
        await kernel.clock.sleep(101)
      }
      const given = dmaMapSingle(device, source, ToDevice)
      await move(toNumber(given.dmaAddress), 0x40000, 1)
      dmaUnmapSingle(device, given)
      const wanted = dmaMapSingle(device, target, FromDevice)
      await move(0x40000, toNumber(wanted.dmaAddress), 3)
      wanted.syncForCpu(2, 3)
      wanted.syncForDevice()
      dmaUnmapSingle(device, wanted)
      const table = SgTable.fromBuffers([target])
      const mapped = dmaMapSgtable(device, table, FromDevice)
      await move(0x40001, toNumber(mapped.dmaAddressAt(0)), 3)
      dmaUnmapSgtable(device, mapped)
      const all = [1, 2, 3, 4, 5, 6, 7, 8]
      expect([coherence, bytesOf(trace, 'unmap')]).toEqual([coherence, [all, all, [2, 3, 4, 5, 6, 7, 8, 0]]])
      expect(bytesOf(trace, 'map')[0]).toEqual(all)
      expect(bytesOf(trace, 'sync')[0]).toEqual([3, 4, 5])
      expect(bodies(machine.trace, 'unmap').some((event) => 'bytes' in event)).toBe(false)
      expect(bodies(machine.trace, 'unmap').length).toBe(bodies(trace, 'unmap').length)
    }
  })

  it('says how many bytes were left out', () => {
    const { kernel, trace, device } = openEdu(createFakeMachine(), { bytes: true, bytesLimit: 4 })
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    dmaUnmapSingle(device, dmaMapSingle(device, memory.bytes.subarray(0, 10), ToDevice))
    expect(
      trace.events.flatMap((event) => ('cut' in event ? [[event.kind, event.cut, event.bytes]] : [])),
    ).toEqual([
      ['map', 6, 'AAAAAA=='],
      ['unmap', 6, 'AAAAAA=='],
    ])
  })

  it('has what changes in coherent memory, at a register write', () => {
    const { trace, device } = openEdu(createFakeMachine())
    const shared = dmaAllocCoherent(device, 64)
    const registers = device.bar(0)
    shared.bytes.set([1, 2, 0, 4], 8)
    registers.write32(0x64, 0)
    registers.write32(0x64, 0)
    shared.bytes[9] = 7
    shared.free()
    registers.write32(0x64, 0)
    const address = `0x${(parseInt(trace.events.flatMap((event) => (event.kind === 'map' ? [event.address] : []))[0]!, 16) + 8).toString(16)}`
    expect(bodies(trace, 'sync')).toEqual([
      { kind: 'sync', for: 'device', mapping: 1, address, byteLength: 4, bytes: 'AQIABA==' },
    ])
  })

  it('has interrupts of VFIO and UIO, and what the checker finds', async () => {
    const machine = createFakeMachine({ checks: 'collect' })
    const { kernel, trace, device } = openEdu(machine)
    const driver = machine.registerUio({ name: 'counter', version: '1', irq: 'custom' })
    driver.notify(5)
    {
      using uio = openUio({ name: 'counter' }, { kernel })
      using fromUio = uio.interrupts()
      driver.notify(2)
      await fromUio.wait({ timeoutMilliseconds: 10 })
      using interrupts = device.interrupts()
      device.bar(0).write32(0x60, 1)
      await interrupts.wait({ timeoutMilliseconds: 10 })
    }
    const stages = trace.events.flatMap((event) =>
      event.kind === 'interrupt' ? [`${event.device} ${event.stage} ${event.count}`] : [],
    )
    expect(stages.filter((stage) => stage.includes('delivered'))).toEqual([
      expect.stringMatching(/ delivered 2$/),
      '0000:00:04.0 delivered 1',
    ])
    expect(stages).toContain('0000:00:04.0 enabled 0')
    expect(stages.at(-1)).toBe('0000:00:04.0 disabled 0')
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    dmaMapSingle(device, memory.bytes.subarray(0, 100), FromDevice)
    dmaMapSingle(device, memory.bytes.subarray(100, 200), FromDevice)
    expect(bodies(trace, 'misuse').length).toBe(1)
    expect(machine.dmaErrors.length).toBe(1)
  })

  it('refuses what it cannot record', () => {
    const { kernel } = createFakeMachine()
    const refused = 'DMA_INVALID_ARGUMENT'
    expect(outcome(() => recordTrace({} as never))).toBe(refused)
    for (const options of [{ byte: true }, { bytes: 1 }, { bytesLimit: -1 }, { limit: 0 }]) {
      expect(outcome(() => recordTrace(kernel, options as never))).toBe(refused)
    }
  })
})
