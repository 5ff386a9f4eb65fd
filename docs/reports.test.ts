import { dmaBitMask } from '@linux-dma/core'
import { createFakeMachine, E1000Device, EduDevice, type FakeMachine, writeReport } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate as demonstrateEdu } from '../examples/edu-driver/src/demonstrate'
import { demonstrate as demonstrateRing } from '../examples/rx-ring/src/demonstrate'
import { demonstrate as demonstrateSharing } from '../examples/share-between-devices/src/demonstrate'
import { demonstrate as demonstrateUio } from '../examples/uio-edu/src/demonstrate'

const first = '0000:00:04.0'
const second = '0000:00:0a.0'
const print = () => undefined

/** Runs an example on a machine of its own. */
const examples: Record<string, (coherence: 'coherent' | 'write-back' | 'bounce') => Promise<FakeMachine>> = {
  async 'edu-driver'(coherence) {
    const machine = createFakeMachine({ coherence })
    machine.addDevice(new EduDevice(), { address: first })
    await demonstrateEdu(machine.kernel, first, print)
    return machine
  },
  async 'uio-edu'(coherence) {
    const machine = createFakeMachine({ coherence, iommu: 'off', hugePages: 8 })
    machine.addDevice(new EduDevice(), { address: first, driver: null })
    await demonstrateUio(machine.kernel, first, print)
    return machine
  },
  async 'rx-ring'(coherence) {
    const machine = createFakeMachine({ coherence })
    machine.addDevice(new E1000Device(), { address: first })
    await demonstrateRing(machine.kernel, first, print)
    return machine
  },
  async 'share-between-devices'() {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: first })
    machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: second })
    await demonstrateSharing(machine.kernel, { first, second }, print)
    return machine
  },
}

describe.each(['coherent', 'write-back', 'bounce'] as const)('on a machine that is %s', (coherence) => {
  it.each(Object.keys(examples))('the report of %s has events, and no problem', async (name) => {
    const { trace } = await examples[name]!(coherence)
    expect(trace.events.filter(({ kind }) => kind === 'dma').length).toBeGreaterThan(0)
    const page = writeReport(trace)
    expect(/<h2>Problems<\/h2>.*?<\/ol>/s.exec(page)?.[0] ?? 'none').toBe('none')
    expect(page.includes('There are no problems.')).toBe(true)
  })
})
