import { createFakeMachine, type DisturbanceOptions, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { INTERRUPT_STATUS } from './registers'

const ADDRESS = '0000:00:04.0'

/** Runs the demonstration on a device that something goes wrong with, and says how it ended and how often it struck. */
async function run(...disturbances: DisturbanceOptions[]) {
  const machine = createFakeMachine()
  const device = machine.addDevice(new EduDevice(), { address: ADDRESS })
  const made = disturbances.map((options) => machine.disturb(device, options))
  const ended = await demonstrate(machine.kernel, ADDRESS, () => {}).then(
    () => 'finished',
    (error: Error) => error.message,
  )
  machine.assertNoDmaErrors()
  machine.assertQuiescent()
  return { ended, struck: made.reduce((sum, { count }) => sum + count, 0) }
}

const everyMillisecond = { interrupt: 'spurious', everyMilliseconds: 1 } as const
const neverDone = { register: 'stuck', byteOffset: INTERRUPT_STATUS, bits: 0x100, level: 0 } as const

describe('the edu driver goes on where', () => {
  const cases: [string, DisturbanceOptions[]][] = [
    ['interrupts are late', [{ interrupt: 'late', byMilliseconds: 50 }]],
    ['interrupts come twice', [{ interrupt: 'twice' }]],
    ['interrupts come twice, much later', [{ interrupt: 'twice', byMilliseconds: 150 }]],
    ['interrupts are held back to become one', [{ interrupt: 'coalesced', interrupts: 3 }]],
    ['interrupts come that nobody sent', [everyMillisecond]],
    [
      'interrupts that nobody sent stand in for those that are lost',
      [{ interrupt: 'lost' }, everyMillisecond],
    ],
    ['writes come twice', [{ dmaWrite: 'twice' }]],
    ['reads are what they were before', [{ dmaRead: 'stale' }]],
    ['a command is told of at last', [{ interrupt: 'late', byMilliseconds: 4800 }]],
    [
      'the link is down while the device computes',
      [{ link: 'down', afterMilliseconds: 50, forMilliseconds: 20 }],
    ],
  ]
  it.each(cases)('%s', async (_, disturbances) => {
    expect((await run(...disturbances)).ended).toBe('finished')
  })
})

describe('the edu driver says what is wrong, and leaves nothing behind, where', () => {
  const cases: [string, DisturbanceOptions[], RegExp][] = [
    ...[1, 2, 3, 4, 5].map((nth): [string, DisturbanceOptions[], RegExp] => [
      `interrupt ${nth} is lost`,
      [{ interrupt: 'lost', nth }],
      /^ETIMEDOUT: no msi interrupt within 5000 ms/,
    ]),
    ['interrupts are too late', [{ interrupt: 'late', byMilliseconds: 10_000 }], /^ETIMEDOUT/],
    ['interrupts come, and none tells of the transfer', [everyMillisecond, neverDone], /^EDU_TIMEOUT/],
    [
      'what it writes comes late',
      [{ dmaWrite: 'late', byMilliseconds: 1 }],
      /^EDU_WRONG: byte 0 came back as 0/,
    ],
    ['what it writes never comes', [{ dmaWrite: 'lost' }], /^EDU_WRONG: byte 0 came back as 0/],
    [
      'what it writes is short',
      [{ dmaWrite: 'short', byteLength: 1 }],
      /^EDU_WRONG: byte 4094 came back as 0/,
    ],
    ['what it writes is elsewhere', [{ dmaWrite: 'misplaced', byteOffset: 64 }], /^EDU_WRONG: byte 0 /],
    ['what it writes has a wrong bit', [{ dmaWrite: 'flipped' }], /^EDU_WRONG: byte \d+ came back as \d+/],
    ['what it reads has a wrong bit', [{ dmaRead: 'flipped' }], /^EDU_WRONG: byte \d+ came back as \d+/],
    [
      'what it reads is short',
      [{ dmaRead: 'short', byteLength: 10 }],
      /^EDU_WRONG: byte 4085 came back as 0/,
    ],
    ['its first register is not there', [{ register: 'ones', nth: 1 }], /^EDU_NOT_FOUND/],
    ['the link is down from the start', [{ link: 'down' }], /^EDU_NOT_FOUND/],
    ['the link goes down for good', [{ link: 'down', afterMilliseconds: 50 }], /^EDU_GONE/],
    ['it is pulled out', [{ link: 'removed', afterMilliseconds: 50 }], /^EDU_GONE/],
    [
      'it forgets what it was at',
      [{ link: 'down', afterMilliseconds: 50, forMilliseconds: 500, comesBack: 'reset' }],
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
  'the edu driver ends whenever the link is lost (%s)',
  async (comesBack) => {
    const endings = new Set<string>()
    // The first steps are register accesses, of a microsecond each; the transfers take 100 ms.
    const times = [
      ...Array.from({ length: 30 }, (_, n) => n / 1000),
      ...Array.from({ length: 25 }, (_, n) => n * 17),
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
    for (const ending of endings) {
      expect(['finished', 'EDU_NOT_FOUND', 'EDU_WRONG', 'EDU_GONE', 'ETIMEDOUT']).toContain(ending)
    }
    expect(endings.size).toBeGreaterThan(1)
  },
)
