import { O_RDONLY, POLLIN } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

it('is a process, whose descriptors it gives', async () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const pid = Number(kernel.readLink('/proc/self'))
  expect(kernel.readText('/proc/self/status')).toContain(`\nPid:\t${pid}\n`)
  const fd = kernel.memfd('taken', { byteLength: 4096 })
  expect(kernel.list(`/proc/${pid}/fd`)).toEqual([`${fd}`])
  const self = kernel.pidfdOpen(pid)
  const taken = kernel.pidfdGetfd(self, fd)
  kernel.close(fd)
  kernel.write(taken, new Uint8Array([1]), 0)
  const ended = kernel.poll(self, POLLIN, { signal: AbortSignal.abort('lives on') })
  await expect(ended).rejects.toBe('lives on')
  expect(kernel.readLink(`/proc/self/fd/${self}`)).toBe('anon_inode:[pidfd]')
  expect(kernel.readText(`/proc/self/fdinfo/${self}`)).toContain(`Pid:\t${pid}\n`)
  const again = kernel.open(`/proc/self/fd/${self}`, O_RDONLY)
  const copy = kernel.pidfdGetfd(again, taken)
  expect(outcome(() => kernel.pidfdOpen(pid + 1))).toBe('ESRCH')
  expect(outcome(() => kernel.pidfdGetfd(taken, self))).toBe('EBADF')
  for (const open of [copy, again, taken]) kernel.close(open)
  expect(outcome(() => kernel.pidfdGetfd(self, taken))).toBe('EBADF')
  kernel.close(self)
  machine.assertQuiescent()
})

it('is duplicated as every descriptor: what is open has one position, and is closed with the last', () => {
  const machine = createFakeMachine({ openFileLimit: 5 })
  const { kernel } = machine
  const fd = kernel.open('/proc/self/status', O_RDONLY)
  const other = kernel.duplicate(fd)
  const [first, second] = [new Uint8Array(6), new Uint8Array(4)]
  kernel.read(fd, first)
  kernel.read(other, second)
  expect(new TextDecoder().decode(first) + new TextDecoder().decode(second)).toBe('Name:\tnode')
  expect(outcome(() => kernel.duplicate(fd))).toBe('EMFILE')
  kernel.close(fd)
  expect(outcome(() => kernel.duplicate(fd))).toBe('EBADF')
  expect(kernel.read(other, first)).toBe(6)
  kernel.close(other)
  machine.assertQuiescent()
})
