import { DmaAttribute, DmaDirection, dmaAllocCoherent } from '@linux-dma/core'
import { expect, it, vi } from 'vitest'
import { withEngine } from '../../test-support/device'
import { SgTable } from '../table/sg-table'
import { dmaMapSgtable } from './map-sgtable'

const { Bidirectional } = DmaDirection
const PAGE = 4096

it('maps memory for devices alone into this process once for a table, and a failing end of that fails nothing', () => {
  withEngine({}, (device, engine, { kernel }) => {
    using hidden = dmaAllocCoherent(device, 64 * PAGE, DmaAttribute.NoKernelMapping)
    const { mappings } = kernel.live()
    const table = SgTable.fromPages(
      Array.from({ length: 32 }, (_, i) => 2 * i),
      { memory: hidden.memory },
    )
    const mmap = kernel.mmap.bind(kernel)
    let failing = false
    const spy = vi.spyOn(kernel, 'mmap').mockImplementation((...args) => {
      const mapping = mmap(...args)
      const close = mapping.close.bind(mapping)
      mapping.close = () => {
        if (failing) throw new Error('no room to park the pages')
        close()
      }
      return mapping
    })
    const mapped = dmaMapSgtable(device, table, Bidirectional)
    expect([spy.mock.calls.length, kernel.live().mappings]).toEqual([1, mappings])
    mapped.unmap()

    failing = true
    const again = dmaMapSgtable(device, table, Bidirectional)
    engine.scatter(again)
    expect(engine.gather(again)[PAGE + 5]).toBe(5)
    again.unmap()
    // Its addresses are free, and nothing of the device's is left.
    dmaMapSgtable(device, table, Bidirectional).unmap()
    expect([device.children.size, hidden.memory.quarantined]).toEqual([1, false])
    failing = false
    dmaMapSgtable(device, table, Bidirectional).unmap()
    expect([spy.mock.calls.length, kernel.live().mappings]).toEqual([2, mappings])
    spy.mockRestore()
  })
})
