import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { openVfioDevice } from './device'

it('closes a group that the kernel took out of its container, since its device was unbound just then', () => {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel })
  machine.failCall({ syscall: 'ioctl(VFIO_GROUP_UNSET_CONTAINER)', code: 'EINVAL' })
  device.close()
  machine.assertQuiescent()
})

it('says why a group does not leave its container otherwise, and closes it all the same', () => {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel })
  machine.failCall({ syscall: 'ioctl(VFIO_GROUP_UNSET_CONTAINER)', code: 'EBUSY' })
  expect(() => device.close()).toThrow(/EBUSY/)
  machine.assertQuiescent()
})
