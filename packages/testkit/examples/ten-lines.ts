import assert from 'node:assert/strict'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'

const machine = createFakeMachine()
const edu = machine.addDevice(new EduDevice())
{
  using device = openVfioDevice(edu.address, { kernel: machine.kernel })
  assert.equal(device.bar(0).read32(0x00), 0x010000ed)
}
machine.assertQuiescent()
