import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { openUio } from '../device/open-uio'

it('tells who waits that the node could not be read when time was up, in place of leaving it to wait', async () => {
  const machine = createFakeMachine({ iommu: 'off' })
  const { kernel } = machine
  const { address } = machine.addDevice(new EduDevice(), { driver: 'uio_pci_generic' })
  {
    using device = openUio({ pci: address }, { kernel })
    using stream = device.interrupts()
    machine.failCall({ syscall: 'read', code: 'EFAULT' })
    const timeoutMilliseconds = 5
    await expect(stream.wait({ timeoutMilliseconds })).rejects.toMatchObject({
      code: 'EFAULT',
      syscall: 'read',
    })
    await expect(stream.wait({ timeoutMilliseconds })).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  }
  machine.assertQuiescent()
})
