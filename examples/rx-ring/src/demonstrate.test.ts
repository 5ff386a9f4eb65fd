import { createFakeMachine, E1000Device } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

async function run(device: E1000Device): Promise<string[]> {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(device, { address: '0000:00:09.0' })
  const lines: string[] = []
  try {
    await demonstrate(machine.kernel, address, (line) => lines.push(line))
    expect(machine.faults).toEqual([])
    expect(machine.log).toEqual([])
  } finally {
    machine.assertQuiescent()
  }
  return lines
}

describe('the e1000 driver', () => {
  it('gets through everything and leaves nothing behind', async () => {
    const lines = await run(new E1000Device())
    expect(lines).toHaveLength(10)
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  })
})
