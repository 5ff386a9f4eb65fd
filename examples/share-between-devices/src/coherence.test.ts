import { dmaBitMask } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const devices = { first: '0000:00:04.0', second: '0000:00:0a.0' }

function machineOf(coherence: 'write-back' | 'bounce') {
  const machine = createFakeMachine({ coherence })
  machine.addDevice(new EduDevice(), { address: devices.first })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: devices.second })
  return machine
}

it('has everybody see the same bytes where devices do not see what is in the CPU’s caches', async () => {
  const machine = machineOf('write-back')
  const lines: string[] = []
  await demonstrate(machine.kernel, devices, (line) => lines.push(line))
  machine.assertNoDmaErrors()
  machine.assertQuiescent()
  expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
})

it('says that it is not one memory any more where everything is copied', async () => {
  const machine = machineOf('bounce')
  await expect(demonstrate(machine.kernel, devices, () => {})).rejects.toMatchObject({ code: 'SHARE_WRONG' })
  machine.assertQuiescent()
})
