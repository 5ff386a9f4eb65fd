import { createFakeMachine } from '@linux-dma/testkit'
import { afterAll, describe, expect, it } from 'vitest'
import { hostOn, machineOptions, plugIn } from './fake-host'
import { conformance, type MachineKind } from './suite'

/** Those in which devices move bytes. */
const kinds: readonly MachineKind[] = ['iommu', 'no-iommu', 'pass-through']

// A suite that forgets a sync holds on the lab's machines, which are coherent, and not here.
for (const kind of kinds) {
  describe('where devices do not look into the CPU’s caches', () => {
    const machine = createFakeMachine({ ...machineOptions(kind), coherence: 'write-back' })
    plugIn(machine, kind)
    conformance(
      {
        describe,
        it,
        skip(name, reason) {
          it.skip(`${name} (skipped: ${reason})`, () => {})
        },
      },
      kind,
      hostOn(machine, kind),
    )

    afterAll(() => {
      const messages = machine.dmaErrors.map(({ message }) => message)
      expect(messages.filter((message) => /^DMA_(STALE|LOST_WRITE)/.test(message))).toEqual([])
    })
  })
}
