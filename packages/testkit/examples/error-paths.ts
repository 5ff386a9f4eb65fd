import assert from 'node:assert/strict'
import { createDmaRegion } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'

// A user who may use one device, and lock 64 KiB.
const machine = createFakeMachine({ uid: 1000, memlockLimit: 65536 })
const { kernel } = machine
const { address } = machine.addDevice(new EduDevice())
assert.throws(() => openVfioDevice(address, { kernel }), { code: 'EACCES' })
machine.chown(machine.groupNode(address), 1000)
{
  using device = openVfioDevice(address, { kernel })
  device.setMaster()
  assert.throws(() => createDmaRegion(device, { byteLength: 128 * 1024 }), { code: 'ENOMEM' })

  // The device writes to an address that nothing is mapped at: no error, but a record.
  const registers = device.bar(0)
  registers.write32(0x80, 0x40000)
  registers.write32(0x88, 0x900000)
  registers.write32(0x90, 16)
  registers.write32(0x98, 3)
  await kernel.clock.sleep(100)
  assert.deepEqual(machine.faults[0], {
    address: 0x900000,
    byteLength: 16,
    device: address,
    direction: 'write',
    time: machine.clock.now(),
  })
}
// Nothing is left open when a step in the middle fails.
machine.failCall({ syscall: 'ioctl(VFIO_SET_IOMMU)', code: 'EPERM' })
assert.throws(() => openVfioDevice(address, { kernel }), { code: 'EPERM' })
machine.assertQuiescent()
