import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { collectGarbage } from './fixtures/garbage'
import { createFakeMachine } from './machine'
import { EduDevice } from './models/edu'

describe('what a machine holds', () => {
  /** A driver that opens and maps a device, and then is forgotten without giving anything back. */
  class Driver {
    constructor(
      readonly machine: ReturnType<typeof createFakeMachine>,
      readonly node: string,
    ) {
      const { kernel } = machine
      const fd = kernel.open(node, O_RDWR)
      kernel.mapRegisters(fd, { byteLength: 4096 })
      kernel.mmap(kernel.memfd('forgotten', { byteLength: 4096 }), { byteLength: 4096 })
    }
  }

  it('is not the program that opened it: what is forgotten can be collected, and is still reported', async () => {
    const machine = createFakeMachine({ iommu: 'off' })
    machine.addDevice(new EduDevice(), { driver: 'uio_pci_generic' })
    const forgotten = (() => new WeakRef(new Driver(machine, '/dev/uio0')))()
    await collectGarbage()
    expect(forgotten.deref()).toBeUndefined()
    expect(() => machine.assertQuiescent()).toThrow(/of \/dev\/uio0, opened at .*machine-holds\.test\.ts/)
  })
})
