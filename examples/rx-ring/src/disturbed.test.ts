import { createFakeMachine, type DisturbanceOptions, E1000Device } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { E1000Driver } from './e1000-driver'
import { makeFrame } from './frames'

const ADDRESS = '0000:00:09.0'
const DESCRIPTOR_BYTES = 16

/** Runs the demonstration on a card that something goes wrong with, and says how it ended and how often it struck. */
async function run(...disturbances: DisturbanceOptions[]) {
  const machine = createFakeMachine()
  const card = machine.addDevice(new E1000Device(), { address: ADDRESS })
  const made = disturbances.map((options) => machine.disturb(card, options))
  const ended = await demonstrate(machine.kernel, ADDRESS, () => {}).then(
    () => 'finished',
    (error: Error) => error.message,
  )
  machine.assertNoDmaErrors()
  machine.assertQuiescent()
  return { ended, struck: made.reduce((sum, { count }) => sum + count, 0) }
}

/** The frames, and not their descriptors; and the other way round. */
const frames = { minimumByteLength: 60 }
const descriptors = { maximumByteLength: DESCRIPTOR_BYTES }
const everyMillisecond = { interrupt: 'spurious', everyMilliseconds: 1 } as const

describe('the e1000 driver goes on where', () => {
  const cases: [string, DisturbanceOptions[]][] = [
    ['interrupts are lost', [{ interrupt: 'lost' }]],
    ['interrupts are late', [{ interrupt: 'late', byMilliseconds: 5 }]],
    ['interrupts come twice', [{ interrupt: 'twice' }]],
    ['interrupts are held back to become one', [{ interrupt: 'coalesced', interrupts: 3 }]],
    ['interrupts come that nobody sent', [everyMillisecond]],
    ['writes come twice at once', [{ dmaWrite: 'twice' }]],
    ['the card writes past frames, within their buffers', [{ dmaWrite: 'past', byteLength: 64, ...frames }]],
    ['the link is lost while it settles', [{ link: 'down', afterMilliseconds: 1200, forMilliseconds: 10 }]],
  ]
  it.each(cases)('%s', async (_, disturbances) => {
    const { ended, struck } = await run(...disturbances)
    expect(ended).toBe('finished')
    expect(struck).toBeGreaterThan(0)
  })
})

describe('the e1000 driver says what is wrong, and leaves nothing behind, where', () => {
  const cases: [string, DisturbanceOptions[], RegExp][] = [
    [
      'a frame comes after the word of it',
      [{ dmaWrite: 'late', byMilliseconds: 1, ...frames }],
      /^E1000_WRONG: frame 0/,
    ],
    ['a frame never comes', [{ dmaWrite: 'lost', nth: 9, ...frames }], /^E1000_WRONG: frame 8/],
    ['a frame comes again, much later', [{ dmaWrite: 'twice', byMilliseconds: 5 }], /^E1000_WRONG/],
    ['a frame has a wrong bit', [{ dmaWrite: 'flipped', ...frames }], /^E1000_WRONG: frame 0/],
    ['a frame ends too early', [{ dmaWrite: 'short', byteLength: 1, ...frames }], /^E1000_WRONG: frame 0/],
    ['frames are read from where they were', [{ dmaRead: 'stale', ...frames }], /^E1000_WRONG: frame/],
    [
      'no frame is ever said to be there',
      [{ dmaWrite: 'lost' }],
      /^ETIMEDOUT: no intx interrupt within 5000 ms/,
    ],
    [
      'interrupts come, and no frame',
      [{ dmaWrite: 'lost', ...descriptors }, everyMillisecond],
      /^E1000_SILENT/,
    ],
    [
      'no frame is ever said to be sent',
      [{ dmaWrite: 'late', byMilliseconds: 1, ...descriptors }],
      /^E1000_TRANSMIT_FULL/,
    ],
    ['descriptors go elsewhere', [{ dmaWrite: 'misplaced', byteOffset: 4096, ...descriptors }], /^ETIMEDOUT/],
    ['no write arrives', [{ register: 'lost' }], /^ETIMEDOUT: .* after 100 ms/],
    ['the link is down from the start', [{ link: 'down' }], /^DMA_BUS_MASTER_OFF/],
    ['the link goes down for good', [{ link: 'down', afterMilliseconds: 1200 }], /^E1000_GONE/],
    ['it is pulled out', [{ link: 'removed', afterMilliseconds: 1200 }], /^E1000_GONE/],
    [
      'it forgets what it was at',
      [{ link: 'down', afterMilliseconds: 1200, forMilliseconds: 10, comesBack: 'reset' }],
      /^ETIMEDOUT/,
    ],
  ]
  it.each(cases)('%s', async (_, disturbances, message) => {
    const { ended, struck } = await run(...disturbances)
    expect(ended).toMatch(message)
    expect(struck).toBeGreaterThan(0)
  })
})

it.each(['as-it-was', 'reset', 'for good', 'removed'] as const)(
  'the e1000 driver ends whenever the link is lost (%s)',
  async (comesBack) => {
    const endings = new Set<string>()
    // Between the register accesses of the start, and in the waits of the four parts.
    const times = [
      ...Array.from({ length: 12 }, (_, n) => n / 50),
      ...Array.from({ length: 16 }, (_, n) => n * 371),
    ]
    for (const afterMilliseconds of times) {
      const options: DisturbanceOptions =
        comesBack === 'removed'
          ? { link: 'removed', afterMilliseconds }
          : comesBack === 'for good'
            ? { link: 'down', afterMilliseconds }
            : { link: 'down', afterMilliseconds, forMilliseconds: 0.02, comesBack }
      const { ended } = await run(options)
      endings.add(/^[A-Z0-9_]+(?=:)|^finished$/.exec(ended)?.[0] ?? ended)
    }
    const known = [
      'finished',
      'DMA_BUS_MASTER_OFF',
      'ETIMEDOUT',
      'E1000_WRONG',
      'E1000_GONE',
      'E1000_TRANSMIT_FULL',
    ]
    for (const ending of endings) expect(known).toContain(ending)
    expect(endings.size).toBeGreaterThan(1)
  },
)

it('a frame whose interrupt was lost is there when the time is up', async () => {
  const machine = createFakeMachine()
  const card = machine.addDevice(new E1000Device(), { address: ADDRESS })
  using device = openVfioDevice(ADDRESS, { kernel: machine.kernel })
  using driver = new E1000Driver(device, { descriptors: 8, spares: 2 })
  await driver.start({ loopback: false })
  await machine.clock.sleep(5000)
  using lost = machine.disturb(card, { interrupt: 'lost' })
  const sent = makeFrame(driver.macBytes, 100, 1)
  machine.clock.schedule(1, () => card.receive(sent))
  const began = machine.clock.now()
  using frame = await driver.receive({ timeoutMilliseconds: 50 })
  expect(frame.bytes).toEqual(sent)
  expect(lost.count).toBe(1)
  expect(machine.clock.now() - began).toBeCloseTo(50, 0)
})
