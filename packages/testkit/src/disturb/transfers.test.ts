import { describe, expect, it } from 'vitest'
import { openDisturbed } from '../fixtures/disturbed-device'
import { openDevice } from '../fixtures/opened-device'
import { PlainDevice } from '../fixtures/plain-device'

describe('what a device writes', () => {
  it('is lost, and the device knows nothing of it', () => {
    const { model, base, bytes, disturbance, end } = openDisturbed({ dmaWrite: 'lost', nth: 2 })
    expect([
      model.writeMemory(base, [1]),
      model.writeMemory(base + 1, [2]),
      model.writeMemory(base + 2, [3]),
    ]).toEqual([true, true, true])
    expect(bytes(3)).toEqual([1, 0, 3])
    expect(disturbance.hits[0]!.what).toBe(`DMA write of 1 bytes at 0x${(base + 1).toString(16)} is lost`)
    end()
  })

  it('comes late: after the interrupt that tells of it', async () => {
    const { model, base, bytes, device, machine, end } = openDisturbed({
      dmaWrite: 'late',
      byMilliseconds: 3,
    })
    const interrupts = device.interrupts()
    const content = [1, 2, 3]
    expect(model.writeMemory(base, content)).toBe(true)
    content.fill(9)
    model.interrupt()
    await interrupts.wait({ timeoutMilliseconds: 10 })
    expect(bytes(3)).toEqual([0, 0, 0])
    await machine.clock.sleep(2.9)
    expect(bytes(3)).toEqual([0, 0, 0])
    await machine.clock.sleep(0.2)
    expect(bytes(3)).toEqual([1, 2, 3])
    end()
  })

  it('comes late for memory that is not mapped any more, which is a fault', async () => {
    const { model, base, memory, machine, disturbance, end } = openDisturbed({
      dmaWrite: 'late',
      byMilliseconds: 3,
    })
    model.writeMemory(base, [1, 2, 3])
    memory[Symbol.dispose]()
    expect(machine.faults).toEqual([])
    await machine.clock.sleep(4)
    expect(machine.faults).toEqual([
      {
        address: base,
        byteLength: 3,
        device: model.address,
        direction: 'write',
        time: disturbance.hits[0]!.time + 3,
      },
    ])
    machine.clearFaults()
    expect(machine.faults).toEqual([])
    end()
  })

  it('comes late for a device that was stopped or closed: nothing is written', async () => {
    for (const ending of ['clearMaster', 'reset', 'close'] as const) {
      const { model, base, memory, machine, device, end } = openDisturbed({
        dmaWrite: 'late',
        byMilliseconds: 3,
      })
      const { bytes } = memory
      model.writeMemory(base, [1])
      device[ending]()
      await machine.clock.sleep(10)
      expect([bytes[0], machine.faults]).toEqual([0, []])
      end()
    }
  })

  it('comes twice, whoever has the memory by then', async () => {
    const { model, base, bytes, memory, machine, end } = openDisturbed({
      dmaWrite: 'twice',
      byMilliseconds: 5,
    })
    model.writeMemory(base, [1, 2])
    expect(bytes(2)).toEqual([1, 2])
    memory.bytes.set([7, 7])
    await machine.clock.sleep(6)
    expect(bytes(2)).toEqual([1, 2])
    end()
  })

  it('goes past its end, into a neighbour or into nothing', () => {
    const { model, base, bytes, machine, end } = openDisturbed({ dmaWrite: 'past', byteLength: 4, every: 2 })
    model.writeMemory(base, [1, 2])
    expect(bytes(8)).toEqual([1, 2, 0, 0, 0, 0, 0, 0])
    expect(model.writeMemory(base, [1, 2])).toBe(true)
    expect(bytes(2)).toEqual([1, 2])
    expect(bytes(4, 2).some((byte) => byte !== 0)).toBe(true)
    expect(bytes(2, 6)).toEqual([0, 0])
    model.writeMemory(base, [1])
    model.writeMemory(base + 65535, [1])
    expect(machine.faults).toMatchObject([{ address: base + 65536, byteLength: 4, direction: 'write' }])
    end()
  })

  it('ends too early', () => {
    const { model, base, bytes, end } = openDisturbed({ dmaWrite: 'short', byteLength: 2 })
    expect(model.writeMemory(base, [1, 2, 3])).toBe(true)
    expect(model.writeMemory(base + 4, [4, 5])).toBe(true)
    expect(bytes(6)).toEqual([1, 0, 0, 0, 0, 0])
    end()
  })

  it('goes to a wrong address', () => {
    const { model, base, bytes, machine, end } = openDisturbed({
      dmaWrite: 'misplaced',
      byteOffset: -2,
      minimumByteLength: 2,
    })
    model.writeMemory(base + 4, [1, 2])
    model.writeMemory(base + 8, [3])
    expect(bytes(9)).toEqual([0, 0, 1, 2, 0, 0, 0, 0, 3])
    model.writeMemory(1, [1, 2])
    expect(machine.faults).toMatchObject([{ direction: 'write' }])
    end()
  })

  it('has wrong bits, and the device keeps its own', () => {
    const { model, base, bytes, end } = openDisturbed({ dmaWrite: 'flipped', bitCount: 3 })
    model.writeMemory(base, [0, 0, 0, 0])
    const set = bytes(4).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    expect(set).toBe(3)
    model.writeMemory(base, [])
    end()
  })
})

describe('what a device reads', () => {
  it('is stale, where it read it before', () => {
    const { model, base, memory, disturbance, end } = openDisturbed({ dmaRead: 'stale', nth: 2 })
    const read = () => model.readMemory(base, 2).bytes
    memory.bytes.set([1, 1])
    expect(read()).toEqual([1, 1])
    memory.bytes.set([2, 2])
    expect(read()).toEqual([2, 2])
    memory.bytes.set([3, 3])
    expect(read()).toEqual([2, 2])
    expect(read()).toEqual([3, 3])
    expect(disturbance.count).toBe(1)
    end()
  })

  it('ends too early, is somewhere else, has wrong bits', () => {
    for (const [options, expected] of [
      [
        { dmaRead: 'short', byteLength: 1 },
        { complete: false, bytes: [1, 0] },
      ],
      [
        { dmaRead: 'short', byteLength: 9 },
        { complete: false, bytes: [0, 0] },
      ],
      [
        { dmaRead: 'misplaced', byteOffset: 1 },
        { complete: true, bytes: [2, 4] },
      ],
      [
        { dmaRead: 'flipped', bitCount: 16 },
        { complete: true, bytes: [0xfe, 0xfd] },
      ],
    ] as const) {
      const { model, base, memory, bytes, end } = openDisturbed(options)
      memory.bytes.set([1, 2, 4])
      expect(model.readMemory(base, 2)).toEqual(expected)
      expect(model.writeMemory(base + 8, [5])).toBe(true)
      expect(bytes(3)).toEqual([1, 2, 4])
      end()
    }
  })
})

it('is chosen by length', () => {
  const { model, base, bytes, end } = openDisturbed({
    dmaWrite: 'lost',
    minimumByteLength: 2,
    maximumByteLength: 3,
  })
  for (const [index, length] of [1, 2, 3, 4].entries())
    model.writeMemory(base + index * 4, Array(length).fill(1))
  expect(bytes(16)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
  end()
})

it('works together: the first one is nearest to the device', () => {
  const { model, base, bytes, disturbances, end } = openDisturbed([
    { dmaWrite: 'misplaced', byteOffset: 4 },
    { dmaWrite: 'short', byteLength: 1 },
  ])
  model.writeMemory(base, [1, 2])
  expect(bytes(6)).toEqual([0, 0, 0, 0, 1, 0])
  expect(disturbances[1]!.hits[0]!.what).toContain(`0x${(base + 4).toString(16)}`)
  disturbances[0]!.stop()
  model.writeMemory(base, [1, 2])
  expect(bytes(2)).toEqual([1, 0])
  end()
})

it('counts nothing that would not have moved anyway', () => {
  const { model, base, device, disturbance, end } = openDisturbed({ dmaWrite: 'lost' })
  device.clearMaster()
  expect(model.writeMemory(base, [1])).toBe(false)
  expect(disturbance.count).toBe(0)
  end()
})

describe('a seed', () => {
  const run = (options: { seed?: number; machineSeed?: number }) => {
    const { machineSeed = 1, ...own } = options
    const host = openDisturbed(
      [
        { dmaWrite: 'flipped', probability: 0.3, ...own },
        { interrupt: 'lost', probability: 0.5, ...own },
      ],
      { seed: machineSeed },
    )
    const interrupts = host.device.interrupts()
    for (let turn = 0; turn < 50; turn++) {
      host.model.writeMemory(host.base + turn, [0])
      host.model.interrupt()
      host.machine.clock.advance(1)
    }
    interrupts.close()
    const content = host.bytes(50)
    host.end()
    return JSON.stringify([host.disturbances.map(({ hits }) => hits), host.machine.log, content])
  }

  it('of the machine makes every run the same', () => {
    expect(run({})).toBe(run({}))
    expect(run({ machineSeed: 2 })).not.toBe(run({}))
  })

  it('of its own makes it the same on every machine', () => {
    expect(run({ seed: 7, machineSeed: 2 })).toBe(run({ seed: 7 }))
    expect(run({ seed: 7 })).not.toBe(run({ seed: 8 }))
  })

  it('changes no number that a device gets', () => {
    const undisturbed = openDevice(new PlainDevice())
    const disturbed = openDisturbed({ dmaWrite: 'flipped' })
    disturbed.model.writeMemory(disturbed.base, [1, 2, 3])
    expect(disturbed.machine.random.uint32()).toBe(undisturbed.machine.random.uint32())
    disturbed.end()
    undisturbed.device.close()
  })
})
