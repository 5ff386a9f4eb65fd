import {
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine } from '../../machine'
import type { AccessWidth } from '../../models/device-model'
import { EduDevice } from '../../models/edu'
import { parseTrace } from '../parse-trace'
import { recordTrace } from '../record/record-trace'
import type { Trace, TraceEvent } from '../trace-event'
import { type Divergence, replayTrace } from './replay-trace'

const START = 1
const TO_MEMORY = 2
const INTERRUPT = 4

/** What edu's driver does: a liveness check, a factorial, bytes to the device and back, an interrupt. */
async function record(options: { coherent?: boolean } = {}): Promise<Trace> {
  const machine = createFakeMachine()
  const { kernel, trace } = recordTrace(machine.kernel, { bytes: true })
  const { address } = machine.addDevice(new EduDevice())
  {
    using device = openVfioDevice(address, { kernel })
    device.setMaster()
    dmaSetMaskAndCoherent(device, dmaBitMask(28))
    const registers = device.bar(0)
    using interrupts = device.interrupts()
    registers.write32(0x04, 0x12345678)
    registers.read32(0x04)
    registers.write32(0x08, 10)
    await registers.pollUntil(0x20, (status) => (status & 1) === 0, { timeoutMilliseconds: 10 })
    registers.read32(0x08)
    using region = createDmaRegion(device, { byteLength: 8192 })
    using shared = dmaAllocCoherent(device, 4096)
    const sent = options.coherent ? shared.bytes.subarray(0, 64) : region.bytes.subarray(0, 64)
    for (let i = 0; i < 64; i++) sent[i] = i + 1
    const source = options.coherent ? undefined : dmaMapSingle(device, sent, DmaDirection.ToDevice)
    registers.writeAddress(0x80, source?.dmaAddress ?? shared.dmaAddress)
    registers.write32(0x88, 0x40000)
    registers.write32(0x90, 64)
    registers.write32(0x98, START)
    await registers.pollUntil(0x98, (command) => (command & START) === 0, {
      timeoutMilliseconds: 1000,
      intervalMilliseconds: 5,
    })
    if (source) dmaUnmapSingle(device, source)
    const target = dmaMapSingle(device, region.bytes.subarray(4096, 4160), DmaDirection.FromDevice)
    registers.write32(0x80, 0x40000)
    registers.writeAddress(0x88, target.dmaAddress)
    registers.write32(0x98, START | TO_MEMORY | INTERRUPT)
    await interrupts.wait({ timeoutMilliseconds: 1000 })
    registers.write32(0x64, registers.read32(0x24))
    dmaUnmapSingle(device, target)
    expect(region.bytes.subarray(4096, 4160)).toEqual(Uint8Array.from({ length: 64 }, (_, i) => i + 1))
  }
  machine.assertQuiescent()
  return parseTrace(trace.save())
}

class WrongInversion extends EduDevice {
  override read(bar: number, byteOffset: number) {
    const value = super.read(bar, byteOffset)
    return byteOffset === 0x04 ? Number(value) ^ 1 : value
  }
}

class SlowDevice extends EduDevice {
  protected override schedule(milliseconds: number, run: () => void) {
    return super.schedule(milliseconds * 3, run)
  }
}

class QuickDevice extends EduDevice {
  protected override schedule(_milliseconds: number, run: () => void) {
    return super.schedule(0, run)
  }
}

class WrongBytes extends EduDevice {
  constructor() {
    super()
    const { dma } = this
    const write = (address: number | bigint, bytes: Uint8Array) => {
      bytes[7]! ^= 0x80
      return dma.write(address, bytes)
    }
    Object.assign(this, { dma: { read: dma.read, write } })
  }
}

class Silent extends EduDevice {
  protected override raiseInterrupt() {}
}

class Talkative extends EduDevice {
  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint) {
    super.write(bar, byteOffset, width, value)
    if (byteOffset === 0x64) this.raiseInterrupt()
  }
}

function differs(divergence: Divergence | undefined): Omit<Divergence, 'event' | 'n'> & { kind: string } {
  const { what, expected, actual, event } = divergence!
  return { kind: event.kind, what, expected, actual }
}

describe('a replay', () => {
  it('plays a trace against the model that it was recorded with, and finds nothing', async () => {
    for (const coherent of [false, true]) {
      const trace = await record({ coherent })
      const result = replayTrace(trace, () => new EduDevice())
      const reads = trace.events.filter((event) => event.kind === 'register' && event.access === 'read')
      const compared = { registers: reads.length, bytes: 64, interrupts: 1 }
      expect(result).toEqual({ events: trace.events.length, compared, outside: [] })
      expect(trace.events.length).toBeGreaterThan(40)
    }
  })

  it('takes a model that is slower, and one that is quicker', async () => {
    const trace = await record()
    expect(replayTrace(trace, new SlowDevice()).divergence).toBeUndefined()
    expect(replayTrace(trace, new QuickDevice()).divergence).toBeUndefined()
    const impatient = replayTrace(trace, new SlowDevice(), { patienceMilliseconds: 50 })
    expect(impatient.divergence?.event.kind).toBe('register')
  })

  it('finds a register that reads differently', async () => {
    const trace = await record()
    const { divergence, events } = replayTrace(trace, new WrongInversion())
    expect(differs(divergence)).toEqual({
      kind: 'register',
      what: 'the 32-bit register at 0x4 of BAR 0 reads differently',
      expected: '0xedcba987',
      actual: '0xedcba986',
    })
    expect(events).toBe(divergence!.n + 1)
    const ignore = (event: TraceEvent) => event.kind === 'register' && event.offset === 0x04
    expect(replayTrace(trace, new WrongInversion(), { ignore }).divergence).toBeUndefined()
  })

  it('finds bytes that the device did not write so', async () => {
    const { divergence } = replayTrace(await record(), new WrongBytes())
    expect(differs(divergence)).toEqual({
      kind: 'unmap',
      what: expect.stringMatching(
        /^the device wrote other bytes at 0x[0-9a-f]+, 7 bytes into what the CPU gets$/,
      ),
      expected: '08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17',
      actual: '88 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17',
    })
  })

  it('finds interrupts that do not come, and such as came not', async () => {
    const trace = await record()
    expect(differs(replayTrace(trace, new Silent()).divergence)).toEqual({
      kind: 'interrupt',
      what: 'interrupts of vector 0 do not come',
      expected: '1',
      actual: '0',
    })
    expect(differs(replayTrace(trace, new Talkative()).divergence)).toEqual({
      kind: 'interrupt',
      what: 'interrupts of vector 0 come that did not',
      expected: '0',
      actual: '1',
    })
  })

  it('says which memory the model wanted that nobody has mapped', async () => {
    const trace = await record()
    const events = trace.events.filter(({ kind }) => kind !== 'map')
    const result = replayTrace({ ...trace, events }, new EduDevice())
    expect(result.outside.map(({ access, byteLength }) => [access, byteLength])).toEqual([
      ['read', 64],
      ['write', 64],
    ])
  })

  it('refuses what cannot be replayed', async () => {
    const trace = await record()
    const refused = expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' })
    for (const [bad, options] of [
      [{}, {}],
      [{ ...trace, dropped: 3 }, {}],
      [trace, { device: '0000:00:09.0' }],
      [trace, { patience: 1 }],
      [trace, { patienceMilliseconds: -1 }],
      [trace, { interrupts: 'pin' }],
      [trace, { ignore: 'reads' }],
      [trace, { polled: 0x98 }],
      [trace, { coherent: 1 }],
    ] as const) {
      expect(() => replayTrace(bad as Trace, new EduDevice(), options as object)).toThrow(refused)
    }
    const others = trace.events.map((event) => ({ ...event, device: '0000:00:05.0' }))
    const both = { ...trace, events: [...trace.events, ...others] }
    expect(() => replayTrace(both, new EduDevice())).toThrow(refused)
    expect(replayTrace(both, new EduDevice(), { device: '0000:00:05.0' }).divergence).toBeUndefined()
    const model = new EduDevice()
    replayTrace(trace, model)
    expect(() => replayTrace(trace, model)).toThrow(expect.objectContaining({ code: 'DMA_ALREADY_ATTACHED' }))
  })
})
