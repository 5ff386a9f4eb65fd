import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'
import { defineDevice } from './define-device'
import type { InterruptCausesOptions } from './interrupt-causes'

const identity = { vendor: 0x1234, device: 0x0001 }

const fifo = defineDevice(
  {
    name: 'fifo',
    identity,
    bars: [
      {
        byteLength: 0x100,
        registers: {
          data: { offset: 0, width: 32 },
          level: { offset: 4, width: 32, access: 'ro' },
          limit: { offset: 8, width: 32, reset: 2 },
          doorbell: { offset: 0x40, width: 32, access: 'wo', count: 3, stride: 8 },
          time: { offset: 0x10, width: 64, access: 'ro' },
        },
        windows: { scratch: { offset: 0x80, byteLength: 16 } },
      },
    ],
  },
  ({ registers, now, schedule, log }, { rings = [] }: { rings?: number[] } = {}) => {
    const fed: number[] = []
    let values: number[] = []
    const count = () => {
      registers.level.value = values.length
    }
    return {
      onRead: {
        data: () => {
          const value = fed.shift() ?? values.shift() ?? 0xdead
          count()
          return value
        },
        time: () => BigInt(Math.round(now() * 1e6)),
      },
      onWrite: {
        data: (written) => {
          if (values.length >= registers.limit.value) log('full')
          else values.push(written)
          count()
        },
        limit: (written, { previous }) => {
          if (written > 8) registers.limit.value = previous
        },
        doorbell: (written, { index }) => rings.push(index * 100 + written),
      },
      reset: () => {
        values = []
      },
      side: {
        feed: (value: number) => fed.push(value),
        later: (value: number) => schedule(5, () => fed.push(value)),
      },
    }
  },
)

describe('hooks', () => {
  it('give what is read, and see what is written and what was before', () => {
    const { registers, machine } = openDevice(fifo())
    registers.write32(0, 11)
    registers.write32(0, 12)
    registers.write32(0, 13)
    expect(machine.log.map(({ message }) => message)).toEqual(['fifo: full'])
    expect(registers.read32(4)).toBe(2)
    expect([registers.read32(0), registers.read32(0), registers.read32(0)]).toEqual([11, 12, 0xdead])
    registers.write32(8, 9)
    expect(registers.read32(8)).toBe(2)
    registers.write32(8, 7)
    expect(registers.read32(8)).toBe(7)
    expect(registers.read64(0x10)).toBe(BigInt(Math.round(machine.clock.now() * 1e6)))
  })

  it('know which register of an array it was', () => {
    const rings: number[] = []
    const { registers, model } = openDevice(fifo({ rings }))
    registers.write32(0x40, 1)
    registers.write32(0x50, 7)
    expect(rings).toEqual([1, 207])
    expect(model.registers.doorbell.map(({ value }) => value)).toEqual([1, 0, 7])
    expect(model.registers.doorbell[2]!.name).toBe('doorbell[2]')
  })
})

describe('the side', () => {
  it('is there before anybody opens the device, and before it is plugged in', () => {
    const model = fifo()
    model.side.feed(42)
    const { registers } = openDevice(model)
    expect(registers.read32(0)).toBe(42)
    expect(outcome(() => fifo().side.later(1))).toBe('DMA_NOT_ATTACHED')
  })

  it('belongs to one device', () => {
    const machine = createFakeMachine()
    const [first, second] = [machine.addDevice(fifo()), machine.addDevice(fifo())]
    first.side.feed(1)
    first.registers.level.value = 5
    expect([first.read(0, 0, 32), second.read(0, 0, 32)]).toEqual([1, 0xdead])
    expect(second.registers.level.value).toBe(0)
  })
})

describe('a reset', () => {
  it('brings back what was after power-on, and ends what was to come', () => {
    const { registers, model, device, machine } = openDevice(fifo())
    registers.write32(8, 5)
    registers.write32(0, 1)
    registers.write32(0x80, 0xff)
    model.side.later(3)
    device.reset()
    expect([registers.read32(8), registers.read32(4), registers.read32(0x80)]).toEqual([2, 0, 0])
    machine.clock.advance(10)
    expect(registers.read32(0)).toBe(0xdead)
  })
})

it('stands still once it is pulled out', async () => {
  let ticks = 0
  const ticking = defineDevice({ name: 'ticking', identity, bars: [{ byteLength: 16 }] }, ({ schedule }) => {
    const tick = () => {
      ticks++
      schedule(1, tick)
    }
    return { side: { start: tick } }
  })
  const machine = createFakeMachine()
  const model = machine.addDevice(ticking())
  model.side.start()
  machine.clock.advance(3)
  machine.removeDevice(model)
  machine.clock.advance(10)
  expect(ticks).toBe(4)
})

describe('interrupt causes', () => {
  const causes = (access: 'w1c' | 'rc', messages: InterruptCausesOptions['messages'] = 'first') =>
    defineDevice(
      {
        name: 'causes',
        identity,
        interrupts: { msi: 2 },
        bars: [
          {
            byteLength: 0x100,
            registers: {
              status: { offset: 0, width: 32, access },
              enable: { offset: 4, width: 32 },
              other: { offset: 8, width: 32, access: 'w1c' },
              gate: { offset: 12, width: 32, reset: 1 },
            },
          },
        ],
      },
      ({ registers, causes: tie }) => {
        const { status, enable } = registers
        const first = tie({ status, enable, messages, gate: () => registers.gate.value === 1 })
        const second = tie({ status: registers.other, vector: 1 })
        return { onWrite: { gate: () => first.refresh() }, side: { first, second } }
      },
    )()

  const pending = async (stream: { wait(options: object): Promise<{ vector: number; count: number }> }) =>
    stream.wait({ timeoutMilliseconds: 1 }).catch((error: { code?: string }) => error.code)

  it('hold the line up while one is enabled and set', async () => {
    const { device, registers, model } = openDevice(causes('w1c'))
    using stream = device.interrupts({ kind: 'intx' })
    model.side.first.raise(1)
    expect(await pending(stream)).toBe('ETIMEDOUT')
    registers.write32(4, 3)
    expect(await pending(stream)).toMatchObject({ count: 1 })
    // The driver forgets to acknowledge: the line is still up, and interrupts again.
    expect(await pending(stream)).toMatchObject({ count: 1 })
    registers.write32(0, 1)
    expect(await pending(stream)).toBe('ETIMEDOUT')
    model.side.second.raise(8)
    expect(model.side.second.pending).toBe(8)
    expect(await pending(stream)).toMatchObject({ count: 1 })
    model.side.first.raise(2)
    registers.write32(8, 8)
    registers.write32(12, 0)
    expect(await pending(stream)).toBe('ETIMEDOUT')
    registers.write32(12, 1)
    expect(await pending(stream)).toMatchObject({ count: 1 })
    device.reset()
    expect(model.side.first.pending).toBe(0)
  })

  it('send a message when the first becomes pending', async () => {
    const { device, registers, model } = openDevice(causes('w1c'))
    using stream = device.interrupts({ vectors: 2 })
    registers.write32(4, 0xff)
    model.side.first.raise(1)
    expect(await pending(stream)).toEqual({ vector: 0, count: 1 })
    model.side.first.raise(2)
    registers.write32(0, 1)
    // One was left standing: no further message comes.
    model.side.first.raise(4)
    expect(await pending(stream)).toBe('ETIMEDOUT')
    registers.write32(0, 6)
    model.side.first.raise(4)
    model.side.second.raise(1)
    expect([await pending(stream), await pending(stream)]).toEqual([
      { vector: 1, count: 1 },
      { vector: 0, count: 1 },
    ])
  })

  it('send a message for each where the device does', async () => {
    const { device, registers, model } = openDevice(causes('w1c', 'each'))
    using stream = device.interrupts({ vectors: 2 })
    registers.write32(4, 0xff)
    for (const bits of [1, 2, 2]) model.side.first.raise(bits)
    expect(await pending(stream)).toEqual({ vector: 0, count: 2 })
  })

  it('can be taken by reading them', async () => {
    const { device, registers, model } = openDevice(causes('rc'))
    using stream = device.interrupts({ kind: 'intx' })
    registers.write32(4, 1)
    model.side.first.raise(1)
    expect(await pending(stream)).toMatchObject({ count: 1 })
    expect(registers.read32(0)).toBe(1)
    expect(await pending(stream)).toBe('ETIMEDOUT')
  })

  it('are registers of the device, of 32 bits at most', () => {
    const make = defineDevice(
      {
        name: 'bad',
        identity,
        bars: [{ byteLength: 16, registers: { wide: { offset: 0, width: 64 } } }],
      },
      ({ registers, causes: tie }) => {
        tie({ status: registers.wide })
        return {}
      },
    )
    expect(outcome(() => make())).toBe('DMA_INVALID_ARGUMENT')
  })
})
