import { F_SEAL_GROW, F_SEAL_SHRINK, O_RDONLY, O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

it('opens a memfd once more: the same pages and seals, a position of its own', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const first = kernel.memfd('twice', { byteLength: 4096 })
  kernel.write(first, new Uint8Array([1, 2, 3]))
  expect(kernel.readLink(`/proc/self/fd/${first}`)).toBe('/memfd:twice (deleted)')
  expect(kernel.list('/proc/self/fd')).toEqual([String(first)])
  const second = kernel.open(`/proc/self/fd/${first}`, O_RDWR)
  const bytes = new Uint8Array(3)
  kernel.read(second, bytes)
  expect([...bytes]).toEqual([1, 2, 3])
  kernel.addSeals(second, F_SEAL_GROW)
  expect(kernel.getSeals(first)).toBe(F_SEAL_SHRINK | F_SEAL_GROW)
  const inode = (fd: number) => /^ino:\t(\d+)$/m.exec(kernel.readText(`/proc/self/fdinfo/${fd}`))?.[1]
  expect(inode(second)).toBe(inode(first))
  const other = kernel.memfd('other', { byteLength: 4096 })
  expect(inode(other)).not.toBe(inode(first))
  kernel.close(first)
  kernel.read(second, bytes, 0)
  expect([...bytes]).toEqual([1, 2, 3])
  kernel.close(second)
  kernel.close(other)
  machine.assertQuiescent()
})

it('answers as Linux for what is closed, and what has no name', () => {
  const { kernel } = createFakeMachine()
  const [left] = kernel.socketPair()
  expect(outcome(() => kernel.open(`/proc/self/fd/${left}`, O_RDWR))).toBe('ENXIO')
  expect(outcome(() => kernel.open('/proc/self/fd/99', O_RDONLY))).toBe('ENOENT')
  expect(outcome(() => kernel.open('/proc/self/fd/03', O_RDONLY))).toBe('ENOENT')
  expect(outcome(() => kernel.readText('/proc/self/fdinfo/99'))).toBe('ENOENT')
})

it('opens read-only descriptions that stay so', () => {
  const { kernel } = createFakeMachine()
  const fd = kernel.memfd('read', { byteLength: 4096 })
  const reading = kernel.open(`/proc/self/fd/${fd}`, O_RDONLY)
  expect(outcome(() => kernel.write(reading, new Uint8Array(1)))).toBe('EBADF')
  expect(outcome(() => kernel.mmap(reading, { byteLength: 4096 }))).toBe('EACCES')
  expect(outcome(() => kernel.addSeals(reading, F_SEAL_GROW))).toBe('EPERM')
})
