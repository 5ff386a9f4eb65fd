import { createDmaRegion, DmaDirection, dmaMapSingle, dmaUnmapSingle, type IoRegion } from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../../fixtures/plain-device'
import { createFakeMachine } from '../../machine'
import type { AccessWidth, DeviceModel } from '../../models/device-model'
import { parseTrace } from '../parse-trace'
import { recordTrace } from '../record/record-trace'
import type { RegisterEvent, Trace } from '../trace-event'
import { replayTrace } from './replay-trace'

const OTHER = 4

/** Its register at 0 gives one value after the other, and then the last again and again. */
class Sequence extends PlainDevice {
  #next = 0

  constructor(readonly values: readonly number[]) {
    super()
  }

  override read(bar: number, byteOffset: number, width: AccessWidth) {
    if (byteOffset !== 0) return super.read(bar, byteOffset, width)
    return this.values[Math.min(this.#next++, this.values.length - 1)]!
  }

  get reads(): number {
    return this.#next
  }
}

/** Writes to memory when it is told to at 8, where 0 says. */
class Writer extends PlainDevice {
  constructor(
    readonly first: number,
    readonly hasMore: boolean,
  ) {
    super()
  }

  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint) {
    super.write(bar, byteOffset, width, value)
    if (byteOffset !== 8) return
    const address = this.memory.getUint32(0, true)
    this.writeMemory(address, [this.first, 2, 3, 4])
    if (this.hasMore) this.writeMemory(address + 32, [0xee])
  }
}

function record(model: DeviceModel, drive: (device: VfioDevice) => void, bytes = true): Trace {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(model)
  const { kernel, trace } = recordTrace(machine.kernel, { bytes })
  {
    using device = openVfioDevice(address, { kernel })
    device.setMaster()
    drive(device)
  }
  machine.assertQuiescent()
  return parseTrace(trace.save())
}

function recordReads(values: readonly number[], between: (registers: IoRegion) => void = () => {}): Trace {
  return record(new Sequence(values), (device) => {
    const registers = device.bar(0)
    for (const value of values) {
      expect(registers.read32(0)).toBe(value)
      between(registers)
    }
  })
}

/** The value with which a model departs from a trace; none where it does not. */
function departsWith(trace: Trace, values: readonly number[], polled?: boolean): string | undefined {
  const isFirst = ({ offset }: RegisterEvent) => (offset === 0 ? polled : undefined)
  return replayTrace(trace, new Sequence(values), { polled: isFirst }).divergence?.actual
}

const text = (characters: string) => Array.from(characters, (character) => character.charCodeAt(0))

describe('the reads of a replay', () => {
  it('are compared one by one, and done once, where the driver did not poll', () => {
    const hello = recordReads(text('Hello'))
    expect(departsWith(hello, text('Hello'))).toBeUndefined()
    expect(departsWith(hello, text('ooooo'))).toBe('0x6f')
    expect(departsWith(hello, text('ello'))).toBe('0x65')
    expect(departsWith(hello, text('HHello'))).toBe('0x48')
    const once = recordReads([7])
    const model = new Sequence([6, 7])
    const { divergence, compared } = replayTrace(once, model)
    expect([divergence?.expected, divergence?.actual, model.reads]).toEqual(['0x7', '0x6', 1])
    expect(compared).toEqual({ registers: 1, bytes: 0, interrupts: 0 })
  })

  it('of a polled register give the same values in the same order, but not each as often', () => {
    const polled = recordReads([0, 0, 1])
    for (const values of [[0, 0, 1], [1], [0, 1], [0, 0, 0, 0, 1]])
      expect(departsWith(polled, values)).toBeUndefined()
    expect(departsWith(polled, [0, 5, 1])).toBe('0x5')
    expect(departsWith(polled, [1, 0, 1])).toBe('0x0')
    expect(departsWith(polled, [0, 0, 0, 5, 1])).toBe('0x5')
    expect(departsWith(polled, [0])).toBe('0x0')
    const stages = recordReads([2, 2, 3, 3, 3, 4])
    for (const values of [[2, 3, 4], [4], [2, 2, 2, 2, 2, 2, 2, 3, 3, 4]])
      expect(departsWith(stages, values)).toBeUndefined()
    expect(departsWith(stages, [3, 2, 4])).toBe('0x2')
    expect(departsWith(stages, [2, 2, 2, 2, 2, 2, 3, 2, 4])).toBe('0x2')
    expect(departsWith(recordReads([1, 0]), [1, 1, 1, 0])).toBeUndefined()
  })

  it('are as the trace says once more after the driver did something', () => {
    const written = recordReads([0, 0, 1], (registers) => registers.write32(OTHER, 1))
    expect(departsWith(written, [0, 0, 1])).toBeUndefined()
    expect(departsWith(written, [0, 1])).toBe('0x1')
    const read = recordReads([0, 0, 1], (registers) => registers.read32(OTHER))
    expect(departsWith(read, [0, 1])).toBe('0x1')
  })

  it('are polled, or not, where it is said so', () => {
    const alike = recordReads(text('aab'))
    expect(departsWith(alike, text('bbb'))).toBeUndefined()
    expect(departsWith(alike, text('bbb'), false)).toBe('0x62')
    expect(departsWith(alike, text('aab'), false)).toBeUndefined()
    const quick = recordReads([1])
    expect(departsWith(quick, [0, 0, 1])).toBe('0x0')
    expect(departsWith(quick, [0, 0, 1], true)).toBeUndefined()
    expect(departsWith(quick, [0], true)).toBe('0x0')
    const inTurns = recordReads([0, 0, 1], (registers) => registers.read32(OTHER))
    expect(departsWith(inTurns, [0, 1], true)).toBeUndefined()
    expect(departsWith(inTurns, [0, 0, 0, 0, 1], true)).toBeUndefined()
  })

  it('are not compared where they are ignored', () => {
    const { divergence, compared } = replayTrace(recordReads([7, 8, 9]), new Sequence([1]), {
      ignore: ({ kind }) => kind === 'register',
    })
    expect([divergence, compared.registers]).toEqual([undefined, 0])
  })
})

describe('the bytes of a replay', () => {
  const recordWrites = (bytes: boolean) =>
    record(
      new Writer(1, false),
      (device) => {
        using region = createDmaRegion(device, { byteLength: 4096 })
        const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), DmaDirection.FromDevice)
        const registers = device.bar(0)
        registers.writeAddress(0, mapping.dmaAddress)
        registers.write32(8, 1)
        dmaUnmapSingle(device, mapping)
      },
      bytes,
    )

  it('are compared, and those that were to stay as they were', () => {
    const trace = recordWrites(true)
    const { divergence, compared } = replayTrace(trace, new Writer(1, false))
    expect([divergence, compared.bytes]).toEqual([undefined, 64])
    for (const [model, where] of [
      [new Writer(9, false), 0],
      [new Writer(1, true), 32],
    ] as const) {
      const { what } = replayTrace(trace, model).divergence!
      expect(what).toMatch(new RegExp(`the device wrote other bytes at 0x[0-9a-f]+, ${where} bytes into`))
    }
  })

  it('are said not to have been compared where the trace has none', () => {
    const { divergence, compared } = replayTrace(recordWrites(false), new Writer(9, true))
    expect([divergence, compared]).toEqual([undefined, { registers: 0, bytes: 0, interrupts: 0 }])
  })
})
