// By the package's own name, as vfio does: its devices are then of the same class.
import { createDmaRegion, DmaAttribute, dmaAllocCoherent } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it, vi } from 'vitest'

/** A device with memory for devices alone, whose further mappings into this process are counted, or do not close. */
function withHidden(
  test: (hidden: ReturnType<typeof dmaAllocCoherent>, windows: { fail: boolean; made: number }) => void,
): void {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  const hidden = dmaAllocCoherent(device, 4 * 4096, DmaAttribute.NoKernelMapping)
  const windows = { fail: false, made: 0 }
  const mmap = machine.kernel.mmap.bind(machine.kernel)
  const spy = vi.spyOn(machine.kernel, 'mmap').mockImplementation((...args) => {
    const mapping = mmap(...args)
    windows.made++
    const close = mapping.close.bind(mapping)
    mapping.close = (options) => {
      if (windows.fail) throw new Error('no room to park the pages')
      close(options)
    }
    return mapping
  })
  test(hidden, windows)
  spy.mockRestore()
  device.close()
  machine.assertQuiescent()
}

it('is mapped for a device also where the mapping that this takes cannot be closed, which is tried again', () => {
  withHidden((hidden, windows) => {
    const { kernel } = hidden.memory
    const { mappings } = kernel.live()
    windows.fail = true
    const first = createDmaRegion(hidden.device, { memory: hidden.memory })
    const second = createDmaRegion(hidden.device, { memory: hidden.memory })
    expect([first.closed, second.closed]).toEqual([false, false])
    expect([windows.made, kernel.live().mappings]).toEqual([1, mappings + 1])
    first.close()
    windows.fail = false
    second.close()
    using _third = createDmaRegion(hidden.device, { memory: hidden.memory })
    expect([windows.made, kernel.live().mappings]).toEqual([1, mappings])
  })
})

it('takes a mapping that could not be closed with it', () => {
  withHidden((hidden, windows) => {
    const { memory } = hidden
    const { kernel } = memory
    const { mappings } = kernel.live()
    windows.fail = true
    createDmaRegion(hidden.device, { memory }).close()
    expect(() => memory.close()).toThrow('park')
    expect([memory.closed, kernel.live().mappings]).toEqual([false, mappings + 1])
    windows.fail = false
    memory.close()
    expect([memory.closed, kernel.live().mappings]).toEqual([true, mappings])
  })
})

it('is mapped once for all that goes on within', () => {
  withHidden(({ memory }, windows) => {
    const address = memory.withAddress((outer) => {
      expect(memory.withAddress((inner) => inner)).toBe(outer)
      return outer
    })
    expect(address).toBeGreaterThan(0)
    expect(windows.made).toBe(1)
    expect(() =>
      memory.withAddress(() => {
        throw new Error('within')
      }),
    ).toThrow('within')
    expect(windows.made).toBe(2)
  })
})
