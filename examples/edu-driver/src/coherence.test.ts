import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

it.each(['write-back', 'bounce'] as const)(
  'gets through everything where devices do not see what the CPU writes: %s',
  async (coherence) => {
    const machine = createFakeMachine({ coherence })
    const { address } = machine.addDevice(new EduDevice(), { address: '0000:00:04.0' })
    const lines: string[] = []
    await demonstrate(machine.kernel, address, (line) => lines.push(line))
    machine.assertNoDmaErrors()
    machine.assertQuiescent()
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
    expect(machine.stale()).toEqual([])
  },
)
