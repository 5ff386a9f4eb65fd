import { createDmaRegion } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'
import { createFakeMachine, type FakeMachine } from '../machine'
import { EduDevice } from '../models/edu'
import { findDisorder } from './check-machine'
import { withFakeMachine } from './with-fake-machine'

function mapTwice(machine: FakeMachine): void {
  const { address } = machine.addDevice(new EduDevice({ dmaMask: 2n ** 64n - 1n }))
  using device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  for (let count = 0; count < 2; count++) createDmaRegion(device, { byteLength: 4096 }).close()
}

it('tells of a name that is misspelled, and which calls there were', async () => {
  const test = withFakeMachine((machine) => {
    machine.failCall({ syscall: 'ioctl(VFIO_MAP_DMA)', code: 'ENOMEM' })
    mapTwice(machine)
  })
  await expect(test).rejects.toMatchObject({ code: 'DMA_NEVER_FAILED' })
  await expect(test).rejects.toThrow(
    /: a failure of failCall\(\) never came:\n {2}ioctl\(VFIO_MAP_DMA\) with ENOMEM, planned at .*never-failed\.test\.ts:\d+:\d+\)?: it was not called\n {4}there were: ioctl\(VFIO_IOMMU_MAP_DMA\) 2 times, .*ioctl\(VFIO_GET_API_VERSION\) once/,
  )
})

it('tells of a number that is not reached, counted from when the failure was planned', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  kernel.close(kernel.eventfd())
  machine.failCall({ syscall: 'eventfd', nth: 3, code: 'EMFILE' })
  machine.failCall({ syscall: 'memfd_create', code: 'EMFILE' })
  machine.failCall({ syscall: 'pread', code: 'EIO' })
  kernel.close(kernel.eventfd())
  const fd = kernel.eventfd(1)
  kernel.read(fd, new Uint8Array(8))
  kernel.close(fd)
  const [error, ...more] = findDisorder(machine) as Error[]
  expect(more).toEqual([])
  expect(error!.message.replace(/, planned at [^\n]*:\d+\)?:/g, ', planned:').split('\n')).toEqual([
    'DMA_NEVER_FAILED: 3 failures of failCall() never came:',
    '  eventfd number 3 with EMFILE, planned: it was called 2 times',
    '  memfd_create with EMFILE, planned: it was not called',
    '  pread with EIO, planned: it was not called',
    '    there were: read once',
    expect.stringContaining('hint: '),
  ])
})

it('has nothing to tell of failures that came', async () => {
  await withFakeMachine((machine) => {
    machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth: 2, code: 'ENOMEM' })
    expect(() => mapTwice(machine)).toThrow('ENOMEM')
  })
})

it('is no matter for who only asks what is open', () => {
  const machine = createFakeMachine()
  machine.failCall({ syscall: 'mmap', code: 'ENOMEM' })
  machine.assertQuiescent()
})
