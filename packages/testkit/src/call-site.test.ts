import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { CallSite } from './call-site'
import { collectGarbage } from './fixtures/garbage'
import { createFakeMachine } from './machine'
import { EduDevice } from './models/edu'

describe('where a call came from', () => {
  it('is the line of the program, the same each time', () => {
    const sites = [0, 1].map(() => new CallSite())
    expect(`${sites[0]}`).toMatch(/^at .*call-site\.test\.ts:\d+:\d+\)?$/)
    expect(`${sites[1]}`).toBe(`${sites[0]}`)
    expect(`${new CallSite()}`).not.toBe(`${sites[0]}`)
  })

  it('leaves stacks as it found them', () => {
    const before = [Error.stackTraceLimit, Error.prepareStackTrace]
    new CallSite()
    expect([Error.stackTraceLimit, Error.prepareStackTrace]).toEqual(before)
  })

  it('is made by another preparation of stacks too, as those who map sources have one', () => {
    const { prepareStackTrace } = Error
    Error.prepareStackTrace = (_error, frames) => `Error\n    at mapped.ts:${frames.length > 0 ? 1 : 0}:1`
    try {
      expect(`${new CallSite()}`).toBe('at mapped.ts:1:1')
    } finally {
      Error.prepareStackTrace = prepareStackTrace
    }
  })
})

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
    expect(() => machine.assertQuiescent()).toThrow(/of \/dev\/uio0, opened at .*call-site\.test\.ts/)
  })
})
