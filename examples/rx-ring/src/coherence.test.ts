import { createFakeMachine, E1000Device } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:09.0'

it.each(['write-back', 'bounce'] as const)(
  'gets every frame across where devices do not see what the CPU writes: %s',
  async (coherence) => {
    const machine = createFakeMachine({ coherence })
    machine.addDevice(new E1000Device(), { address: ADDRESS })
    const lines: string[] = []
    await demonstrate(machine.kernel, ADDRESS, (line) => lines.push(line))
    expect([machine.faults, machine.log]).toEqual([[], []])
    machine.assertNoDmaErrors()
    machine.assertQuiescent()
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  },
)
