// By the package's own name, as vfio does: its devices are then of the same class.
import {
  DmaDirection,
  directOps,
  dmaBitMask,
  dmaMapResource,
  dmaSetMask,
  dmaUnmapResource,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const { ToDevice } = DmaDirection

function openTwo(checks: 'throw' | 'off' = 'throw') {
  const machine = createFakeMachine({ checks })
  const open = (): VfioDevice => {
    const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
    device.setMaster()
    return device
  }
  return { machine, card: open(), peer: open() }
}

it('needs an IOMMU', () => {
  const { machine, card, peer } = openTwo()
  setDmaOps(card, directOps({ unsafePhysicalAddresses: true, kernel: machine.kernel }))
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

it('quarantines registers that the IOMMU would not let go of, and unmaps them from this process all the same', () => {
  const { machine, card, peer } = openTwo()
  const registers = peer.bar(0)
  const mapping = dmaMapResource(card, registers, 0, 4, ToDevice)
  const address = toNumber(mapping.dmaAddress)
  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
  expect(() => peer.close()).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect([registers.closed, mapping.mapped, mapping.quarantined]).toEqual([true, false, true])
  const quarantined = expect.objectContaining({
    code: 'DMA_QUARANTINED',
    cause: expect.objectContaining({ code: 'EIO' }),
  })
  expect(machine.warnings).toEqual([quarantined])
  expect(() => mapping.dmaAddress).toThrow(quarantined)
  expect(() => dmaUnmapResource(card, mapping)).toThrow(quarantined)
  mapping[Symbol.dispose]()
  expect(machine.warnings).toHaveLength(1)
  // The address may still lead to the registers: nothing else is put there.
  using other = dmaMapResource(card, card.bar(0), 0, 4, ToDevice)
  expect(toNumber(other.dmaAddress)).not.toBe(address)
  card.close()
  expect([mapping.mapped, mapping.quarantined]).toEqual([false, false])
  machine.assertQuiescent()
})

it('says nothing of registers that a device does not let go of while it closes itself', () => {
  const { machine, card, peer } = openTwo('off')
  const mapping = dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)
  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
  expect(() => card.close()).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect([mapping.quarantined, machine.warnings]).toEqual([false, []])
  peer.close()
  machine.assertQuiescent()
})

it('is no obstacle to a new mask while bus mastering is off', () => {
  const { machine, card, peer } = openTwo()
  using mapping = dmaMapResource(card, peer.bar(0), 0, 4, ToDevice)
  const last = toNumber(mapping.dmaAddress) + machine.kernel.pageSize - 1
  card.clearMaster()
  dmaSetMask(card, dmaBitMask(48))
  expect(card.dmaMask).toBe(dmaBitMask(48))
  expect(() => dmaSetMask(card, BigInt(last - 1))).toThrow(
    expect.objectContaining({ code: 'DMA_MASK_IN_USE' }),
  )
  card.close()
  peer.close()
})
