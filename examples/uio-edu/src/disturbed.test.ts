import { createFakeMachine, type DisturbanceOptions, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:04.0'

/** Runs the demonstration on a device that something goes wrong with, and says how it ended. */
async function run(...disturbances: DisturbanceOptions[]): Promise<string> {
  const machine = createFakeMachine({ iommu: 'off', hugePages: 8 })
  const device = machine.addDevice(new EduDevice(), { address: ADDRESS, driver: null })
  for (const options of disturbances) machine.disturb(device, options)
  const ended = await demonstrate(machine.kernel, ADDRESS, () => {}).then(
    () => 'finished',
    (error: Error) => error.message,
  )
  machine.assertNoDmaErrors()
  machine.assertQuiescent()
  return ended
}

describe('the edu driver over UIO', () => {
  const cases: [string, DisturbanceOptions[], RegExp][] = [
    ['has its only interrupt lost', [{ interrupt: 'lost', nth: 1 }], /^ETIMEDOUT/],
    ['has the last interrupt lost', [{ interrupt: 'lost', nth: 3 }], /^ETIMEDOUT/],
    ['has late interrupts', [{ interrupt: 'late', byMilliseconds: 50 }], /^finished/],
    ['has interrupts that nobody sent', [{ interrupt: 'spurious', everyMilliseconds: 1 }], /^finished/],
    ['has a device that writes late', [{ dmaWrite: 'late', byMilliseconds: 1 }], /^EDU_WRONG: byte 0/],
    ['has a device that writes twice', [{ dmaWrite: 'twice', byMilliseconds: 1 }], /^finished/],
    ['has a device that writes too little', [{ dmaWrite: 'short', byteLength: 5 }], /^EDU_WRONG: byte 4090/],
    ['has a device that reads what was there', [{ dmaRead: 'flipped' }], /^EDU_WRONG: byte \d+/],
    ['finds the link down', [{ link: 'down' }], /^EDU_NOT_FOUND/],
    ['loses the link', [{ link: 'down', afterMilliseconds: 50 }], /^EDU_GONE/],
    [
      'loses the link for a moment',
      [{ link: 'down', afterMilliseconds: 50, forMilliseconds: 9 }],
      /^finished/,
    ],
    ['loses the device', [{ link: 'removed', afterMilliseconds: 50 }], /^DMA_NO_DEVICE/],
  ]
  it.each(cases)('%s: it ends, and leaves nothing behind', async (_, disturbances, message) => {
    expect(await run(...disturbances)).toMatch(message)
  })

  it.each([0.02, undefined])('ends whenever the link is lost, for %s ms', async (forMilliseconds) => {
    const endings = new Set<string>()
    const times = [
      ...Array.from({ length: 20 }, (_, n) => n / 500),
      ...Array.from({ length: 10 }, (_, n) => n * 23),
    ]
    for (const afterMilliseconds of times) {
      const ended = await run({
        link: 'down',
        afterMilliseconds,
        ...(forMilliseconds === undefined ? {} : { forMilliseconds }),
      })
      endings.add(/^[A-Z0-9_]+(?=:)|^finished$/.exec(ended)?.[0] ?? ended)
    }
    const known = ['finished', 'EDU_NOT_FOUND', 'EDU_WRONG', 'EDU_GONE', 'ETIMEDOUT']
    for (const ending of endings) expect(known).toContain(ending)
    expect(endings.size).toBeGreaterThan(1)
  })
})
