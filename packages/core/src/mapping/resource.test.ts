// By the package's own name, as vfio does: its devices are then of the same class.
import { DmaDirection, dmaMapResource, getDmaOps, setDmaOps } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const { ToDevice } = DmaDirection

function openTwo() {
  const machine = createFakeMachine()
  const open = (): VfioDevice => {
    const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
    device.setMaster()
    return device
  }
  return { machine, card: open(), peer: open() }
}

it('needs an IOMMU', () => {
  const { card, peer } = openTwo()
  const { iommu: _, ...rest } = getDmaOps(card)
  setDmaOps(card, { ...rest, name: 'direct' } as never)
  expect(() => dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)).toThrow(
    expect.objectContaining({ code: 'DMA_UNSUPPORTED', hint: expect.stringContaining('IOMMU') }),
  )
  card.close()
  peer.close()
})

it('takes registers of its own kernel alone', () => {
  const { card } = openTwo()
  const { peer } = openTwo()
  expect(() => dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)).toThrow(
    expect.objectContaining({ code: 'DMA_WRONG_KERNEL' }),
  )
  card.close()
  peer.close()
})

it('leaves nothing where the IOMMU refuses', () => {
  const { machine, card, peer } = openTwo()
  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', code: 'ENOMEM' })
  expect(() => dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)).toThrow(
    expect.objectContaining({ code: 'ENOMEM' }),
  )
  expect(card.children.size).toBe(0)
  const mapping = dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)
  expect(mapping.mapped).toBe(true)
  card.close()
  peer.close()
  machine.assertQuiescent()
})

it('unmaps the registers from this process although the IOMMU would not let go of them', () => {
  const { machine, card, peer } = openTwo()
  const registers = peer.bar(0)
  const mapping = dmaMapResource(card, registers, 0, 4, ToDevice)
  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
  expect(() => registers.close()).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect([registers.closed, mapping.mapped]).toEqual([true, false])
  registers.close()
  card.close()
  peer.close()
  machine.assertQuiescent()
})
