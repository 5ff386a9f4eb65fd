import { dmaBitMask } from '@linux-dma/core'
import { EduDevice, failNth } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const devices = { first: '0000:00:04.0', second: '0000:00:0a.0' }

it('fails clearly, and leaves nothing behind, whichever system call fails', async () => {
  const { calls, runs, coped } = await failNth((machine) => demonstrate(machine.kernel, devices, () => {}), {
    prepare(machine) {
      machine.addDevice(new EduDevice(), { address: devices.first })
      machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: devices.second })
    },
  })
  expect(calls.length).toBeGreaterThan(80)
  expect(runs).toBeGreaterThan(200)
  expect(coped).toBeLessThan(runs)
}, 600_000)
