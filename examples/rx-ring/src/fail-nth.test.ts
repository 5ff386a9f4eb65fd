import { E1000Device, failNth } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:09.0'

it('fails clearly, and leaves nothing behind, whichever system call fails', async () => {
  const { calls, runs, coped } = await failNth((machine) => demonstrate(machine.kernel, ADDRESS, () => {}), {
    prepare: (machine) => void machine.addDevice(new E1000Device(), { address: ADDRESS }),
    // A frame like the one before it is mapped from the same place.
    oncePerPlace: true,
    errnos: 'one',
  })
  expect(calls.length).toBeGreaterThan(80)
  expect(runs).toBeGreaterThan(100)
  expect(coped).toBeLessThan(runs)
}, 600_000)
