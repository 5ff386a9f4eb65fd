import { EduDevice, failNth } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:04.0'

it('fails clearly, and leaves nothing behind, whichever system call fails', async () => {
  const { calls, runs, coped } = await failNth((machine) => demonstrate(machine.kernel, ADDRESS, () => {}), {
    prepare: (machine) => void machine.addDevice(new EduDevice(), { address: ADDRESS }),
  })
  expect(calls.length).toBeGreaterThan(80)
  expect(runs).toBeGreaterThan(200)
  expect(coped).toBeLessThan(runs)
}, 600_000)
