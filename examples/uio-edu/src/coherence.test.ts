import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:04.0'

it.each(['write-back', 'bounce'] as const)(
  'gets through everything where devices do not see what the CPU writes: %s',
  async (coherence) => {
    const machine = createFakeMachine({ iommu: 'off', hugePages: 8, coherence })
    machine.addDevice(new EduDevice(), { address: ADDRESS, driver: null })
    const lines: string[] = []
    await demonstrate(machine.kernel, ADDRESS, (line) => lines.push(line))
    machine.assertNoDmaErrors()
    machine.assertQuiescent()
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  },
)
