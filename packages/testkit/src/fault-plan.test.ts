import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { linuxErrnos } from './fail-nth/errnos'
import { syscallNames } from './fail-nth/verbs'
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

it('takes each name that the documentation has', () => {
  const text = readFileSync(new URL('../docs/faults.md', import.meta.url), 'utf8')
  const list = text.split('## System calls that fail')[1]!.split(/^`failNth/m)[0]!
  const names = [...list.matchAll(/`([a-z_0-9]+(?:\([A-Z_]+\))?)`/g)].map(([, name]) => name!)
  const known = [...new Set(names)].filter((name) => !['syscall', 'nth'].includes(name))
  const [requests, calls] = [/^ioctl\(/, /^(?!ioctl\()/].map((kind) =>
    known.filter((name) => kind.test(name)),
  )
  expect(calls!.sort()).toEqual([...syscallNames].sort())
  // Requests, by the table that knows what each answers.
  for (const syscall of requests!.filter((name) => name !== 'ioctl(REQUEST)')) {
    expect(linuxErrnos({ syscall }), syscall).not.toEqual(['ENOTTY'])
  }
})
