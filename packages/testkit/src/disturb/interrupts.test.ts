import { describe, expect, it } from 'vitest'
import { openDisturbed } from '../fixtures/disturbed-device'
import { openDevice } from '../fixtures/opened-device'
import { PlainDevice } from '../fixtures/plain-device'
import type { DisturbanceOptions } from './options'

type Kind = 'intx' | 'msi' | 'msix'

/** Raises vectors at times, and says which interrupts came when, in whole milliseconds. */
async function deliveries(
  disturbances: DisturbanceOptions | DisturbanceOptions[],
  raised: readonly (readonly [at: number, vector: number])[],
  kind: Kind = 'msi',
) {
  const host = openDisturbed(disturbances)
  const { device, model, machine } = host
  const interrupts = device.interrupts(kind === 'intx' ? { kind } : { kind, vectors: 4 })
  const began = host.now()
  for (const [at, vector] of raised) {
    model.later(at, () => model.interrupt(vector))
    // It is served half a millisecond later.
    if (kind === 'intx') model.later(at + 0.5, () => model.line(false))
  }
  const came: string[] = []
  for (;;) {
    const next = await interrupts.wait({ timeoutMilliseconds: 100 }).catch(() => undefined)
    if (next === undefined) break
    came.push(`${Math.round(host.now() - began)}:${next.vector}x${next.count}`)
    if (kind === 'intx') await machine.clock.sleep(0.6)
  }
  host.end()
  return { came, host, hits: host.disturbance.hits.map(({ what }) => what) }
}

const four = [
  [1, 0],
  [2, 1],
  [3, 0],
  [4, 1],
] as const

describe('messages', () => {
  const cases: readonly (readonly [string, DisturbanceOptions, string[], number])[] = [
    ['lost, the third', { interrupt: 'lost', nth: 3 }, ['1:0x1', '2:1x1', '4:1x1'], 1],
    ['lost, of a vector', { interrupt: 'lost', vector: 1 }, ['1:0x1', '3:0x1'], 2],
    ['lost, every other', { interrupt: 'lost', every: 2 }, ['1:0x1', '3:0x1'], 2],
    ['lost, two at most', { interrupt: 'lost', atMost: 2 }, ['3:0x1', '4:1x1'], 2],
    [
      'lost, for a while',
      { interrupt: 'lost', afterMilliseconds: 1.5, forMilliseconds: 2 },
      ['1:0x1', '4:1x1'],
      2,
    ],
    ['late', { interrupt: 'late', byMilliseconds: 10, nth: 1 }, ['2:1x1', '3:0x1', '4:1x1', '11:0x1'], 1],
    [
      'twice at once',
      { interrupt: 'twice', vector: 0 },
      ['1:0x1', '1:0x1', '2:1x1', '3:0x1', '3:0x1', '4:1x1'],
      2,
    ],
    [
      'twice, later',
      { interrupt: 'twice', nth: 4, byMilliseconds: 5 },
      ['1:0x1', '2:1x1', '3:0x1', '4:1x1', '9:1x1'],
      1,
    ],
    [
      'coalesced, each vector by itself',
      { interrupt: 'coalesced', interrupts: 2, withinMilliseconds: 50 },
      ['3:0x1', '4:1x1'],
      2,
    ],
    [
      'coalesced until time is up',
      { interrupt: 'coalesced', interrupts: 3, nth: 1, withinMilliseconds: 10 },
      ['2:1x1', '4:1x1', '11:0x1'],
      1,
    ],
    [
      'reordered',
      { interrupt: 'reordered', nth: 1, withinMilliseconds: 5 },
      ['2:1x1', '2:0x1', '3:0x1', '4:1x1'],
      1,
    ],
    [
      'reordered, with none behind',
      { interrupt: 'reordered', nth: 4 },
      ['1:0x1', '2:1x1', '3:0x1', '5:1x1'],
      1,
    ],
  ]
  it.each(cases)('are %s', async (_, options, expected, count) => {
    const { came, hits } = await deliveries(options, four)
    expect(came).toEqual(expected)
    expect(hits).toHaveLength(count)
  })

  it('come although nobody sent them', async () => {
    const every = { interrupt: 'spurious', everyMilliseconds: 3, vector: 2, atMost: 2 } as const
    const { came, hits } = await deliveries(every, [[1, 0]])
    expect(came).toEqual(['1:0x1', '3:2x1', '6:2x1'])
    expect(hits).toEqual(['a spurious interrupt of vector 2', 'a spurious interrupt of vector 2'])
    const once = await deliveries({ interrupt: 'spurious', afterMilliseconds: 7 }, [])
    expect(once.came).toEqual(['7:0x1'])
  })

  it('are put down, with their time', async () => {
    const { host } = await deliveries({ interrupt: 'lost', nth: 3 }, four)
    const [hit] = host.disturbance.hits
    expect(hit!.what).toBe('interrupt message 0 is lost')
    expect(hit!.time).toBeCloseTo(3, 0)
    const entry = { time: hit!.time, device: host.model.address, message: `disturbed: ${hit!.what}` }
    expect(host.machine.log).toEqual([entry])
  })
})

describe('a line', () => {
  const cases: readonly (readonly [string, DisturbanceOptions, string[]])[] = [
    ['lost', { interrupt: 'lost', nth: 2 }, ['1:0x1', '3:0x1', '4:0x1']],
    [
      'late, but seen',
      { interrupt: 'late', byMilliseconds: 0.2, nth: 2 },
      ['1:0x1', '2:0x1', '3:0x1', '4:0x1'],
    ],
    [
      'late, when it is down again',
      { interrupt: 'late', byMilliseconds: 0.7, nth: 2 },
      ['1:0x1', '3:0x1', '4:0x1'],
    ],
    ['twice', { interrupt: 'twice', nth: 2 }, ['1:0x1', '2:0x1', '3:0x1', '4:0x1']],
    [
      'up for nothing',
      { interrupt: 'spurious', afterMilliseconds: 8 },
      ['1:0x1', '2:0x1', '3:0x1', '4:0x1', '8:0x1'],
    ],
  ]
  it.each(cases)('is %s', async (_, options, expected) => {
    expect((await deliveries(options, four, 'intx')).came).toEqual(expected)
  })
})

describe('stop()', () => {
  it('lets go on what is held back, and ends what repeats itself', async () => {
    const host = openDisturbed([
      { interrupt: 'late', byMilliseconds: 1000, vector: 0 },
      { interrupt: 'spurious', everyMilliseconds: 10 },
    ])
    const interrupts = host.device.interrupts({ vectors: 4 })
    host.model.interrupt(0)
    expect(interrupts.pending).toBe(0)
    for (const one of host.disturbances) one.stop()
    for (const one of host.disturbances) one.stop()
    expect(await interrupts.wait({ timeoutMilliseconds: 0 })).toEqual({ vector: 0, count: 1 })
    host.model.interrupt(1)
    expect(await interrupts.wait({ timeoutMilliseconds: 0 })).toEqual({ vector: 1, count: 1 })
    await expect(interrupts.wait({ timeoutMilliseconds: 100 })).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(host.disturbances.map(({ count }) => count)).toEqual([1, 0])
    host.end()
  })

  it('is what the end of a block does', () => {
    const host = openDisturbed({ interrupt: 'lost' })
    const interrupts = host.device.interrupts({ vectors: 4 })
    {
      using lost = host.disturbance
      host.model.interrupt(0)
      expect(lost.count).toBe(1)
    }
    host.model.interrupt(0)
    expect(host.disturbance.count).toBe(1)
    interrupts.close()
    host.end()
  })
})

it('what is scheduled moves no time, and holds nobody up, where nobody waits', async () => {
  const host = openDisturbed({ interrupt: 'spurious', everyMilliseconds: 1 })
  const before = host.now()
  await host.machine.clock.settle()
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect([host.now(), host.disturbance.count]).toEqual([before, 0])
  host.end()
})

it('a reset of the device forgets what is held back', async () => {
  const host = openDisturbed({ interrupt: 'late', byMilliseconds: 10 })
  const interrupts = host.device.interrupts({ vectors: 4 })
  host.model.interrupt(0)
  host.device.reset()
  host.device.setMaster()
  await expect(interrupts.wait({ timeoutMilliseconds: 50 })).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  host.end()
})

it('disturbs no other device, and no other machine', async () => {
  const host = openDisturbed({ interrupt: 'lost' })
  const neighbour = openDevice(new PlainDevice())
  const second = host.machine.addDevice(new PlainDevice())
  const { openVfioDevice } = await import('@linux-dma/vfio')
  using other = openVfioDevice(second.address, { kernel: host.kernel })
  other.setMaster()
  for (const [device, model] of [
    [other, second],
    [neighbour.device, neighbour.model],
  ] as const) {
    const interrupts = device.interrupts()
    model.interrupt(0)
    expect(await interrupts.wait({ timeoutMilliseconds: 1 })).toEqual({ vector: 0, count: 1 })
  }
  neighbour.device.close()
})
