import { expect, it } from 'vitest'
import { FaultPlan } from './fault-plan'
import { outcome } from './fixtures/outcome'
import { createFakeMachine } from './machine'

it('fails the call that was named, once', () => {
  const machine = createFakeMachine()
  machine.failCall({ syscall: 'eventfd', nth: 2, code: 'EMFILE' })
  const results = [1, 2, 3].map(() => outcome(() => machine.kernel.eventfd()))
  expect(results).toEqual(['OK(3)', 'EMFILE', 'OK(4)'])
})

it('fails an ioctl by its name', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const fd = kernel.open('/dev/vfio/vfio', 2)
  machine.failCall({ syscall: 'ioctl(VFIO_GET_API_VERSION)', code: 'EIO' })
  const call = () => kernel.ioctl(fd, 0x3b64, 0, 'VFIO_GET_API_VERSION')
  expect([outcome(call), outcome(call)]).toEqual(['EIO', 'OK(0)'])
})

it('keeps several plans apart', () => {
  const plan = new FaultPlan()
  plan.add({ syscall: 'mmap', code: 'ENOMEM' })
  plan.add({ syscall: 'mmap', nth: 3, code: 'EINVAL' })
  plan.add({ syscall: 'open', code: 'EMFILE' })
  const calls = ['mmap', 'mmap', 'open', 'mmap', 'mmap'].map((syscall) => {
    try {
      plan.check(syscall)
      return 'passed'
    } catch (error) {
      return (error as { errno: string }).errno
    }
  })
  expect(calls).toEqual(['ENOMEM', 'passed', 'EMFILE', 'EINVAL', 'passed'])
})

it('refuses plans that make no sense', () => {
  const machine = createFakeMachine()
  for (const plan of [
    { syscall: 'mmpa', code: 'ENOMEM' },
    { syscall: 'ioctl', code: 'EIO' },
    { syscall: 'mmap', code: 'ENONSENSE' },
    { syscall: 'mmap', code: 'EIO', nth: 0 },
    { syscall: 'mmap', code: 'EIO', times: 2 },
  ]) {
    expect(outcome(() => machine.failCall(plan))).toBe('DMA_INVALID_ARGUMENT')
  }
})
