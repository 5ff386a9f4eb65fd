import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openVfioDevice } from './device'

describe('what a device says of itself', () => {
  it.each([
    ['VFIO_DEVICE_GET_REGION_INFO', 8],
    ['VFIO_DEVICE_GET_IRQ_INFO', 3],
  ])('has to come where each device has an answer: EINVAL of %s is told', (request, count) => {
    for (let nth = 1; nth <= count; nth++) {
      const machine = createFakeMachine()
      const { address } = machine.addDevice(new EduDevice())
      const syscall = `ioctl(${request})`
      machine.failCall({ syscall, nth, code: 'EINVAL' })
      expect(() => openVfioDevice(address, { kernel: machine.kernel })).toThrow(
        expect.objectContaining({ code: 'EINVAL', syscall }),
      )
      machine.assertQuiescent()
    }
  })
})
