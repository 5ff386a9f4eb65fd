import { POLLHUP, POLLIN } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

describe('a socket with a path', () => {
  it('is a file of whoever made it, and to connect is to write', () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    const listener = kernel.listen('/tmp/socket')
    expect(machine.stat('/tmp/socket')).toEqual({ mode: 0o755, uid: 0, gid: 0 })
    machine.setUid(1000)
    expect(outcome(() => kernel.connect('/tmp/socket'))).toBe('EACCES')
    machine.chmod('/tmp/socket', 0o777)
    kernel.close(kernel.connect('/tmp/socket'))
    expect(outcome(() => kernel.open('/tmp/socket', 0))).toBe('ENXIO')
    kernel.close(listener)
    machine.assertQuiescent()
  })

  it('is made and taken away where the directory lets this user', () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    kernel.close(kernel.listen('/tmp/of-root'))
    machine.setUid(1000)
    expect(outcome(() => kernel.listen('/dev/socket'))).toBe('EACCES')
    expect(outcome(() => kernel.listen('/sys/socket'))).toBe('EACCES')
    expect(outcome(() => kernel.unlink('/dev/udmabuf'))).toBe('EACCES')
    // As everybody may write there, only owners take away.
    expect(outcome(() => kernel.unlink('/tmp/of-root'))).toBe('EPERM')
    kernel.close(kernel.listen('/tmp/mine'))
    kernel.unlink('/tmp/mine')
    machine.setCapabilities(['CAP_FOWNER'])
    kernel.unlink('/tmp/of-root')
    expect(kernel.list('/tmp')).toEqual([])
  })

  it('leaves its file when it is closed, and lets the path be taken once that is gone', () => {
    const { kernel } = createFakeMachine()
    kernel.close(kernel.listen('/tmp/left'))
    expect(outcome(() => kernel.listen('/tmp/left'))).toBe('EADDRINUSE')
    expect(outcome(() => kernel.connect('/tmp/left'))).toBe('ECONNREFUSED')
    kernel.unlink('/tmp/left')
    const listener = kernel.listen('/tmp/left')
    kernel.unlink('/tmp/left')
    const other = kernel.listen('/tmp/left')
    kernel.close(listener)
    // The file is the other one's.
    kernel.close(kernel.connect('/tmp/left'))
    kernel.close(other)
  })
})

describe('a call that fails', () => {
  it.each(['socket', 'bind', 'listen'])('leaves no name and no descriptor: %s', (syscall) => {
    const machine = createFakeMachine()
    const { kernel } = machine
    for (const name of ['/tmp/socket', '\0socket']) {
      machine.failCall({ syscall, code: 'ENOMEM' })
      expect(outcome(() => kernel.listen(name))).toBe('ENOMEM')
      machine.assertQuiescent()
      kernel.close(kernel.listen(name))
    }
  })

  it('leaves no connection for want of a descriptor', () => {
    const machine = createFakeMachine({ openFileLimit: 5 })
    const { kernel } = machine
    const listener = kernel.listen('\0socket')
    const near = kernel.connect('\0socket')
    expect(outcome(() => kernel.connect('\0socket'))).toBe('EMFILE')
    expect(outcome(() => kernel.listen('/tmp/socket'))).toBe('EMFILE')
    expect(outcome(() => kernel.accept(listener))).toBe('EMFILE')
    machine.setOpenFileLimit(6)
    const far = kernel.accept(listener)
    expect(kernel.list('/tmp')).toEqual([])
    for (const fd of [far, near, listener]) kernel.close(fd)
    machine.assertQuiescent()
  })
})

it('tells those who wait that nobody will accept them', async () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const listener = kernel.listen('/tmp/socket')
  const near = kernel.connect('/tmp/socket')
  const memory = kernel.memfd('sent', { byteLength: 4096 })
  kernel.sendMessage(near, new Uint8Array([1]), [memory])
  const waiting = kernel.poll(near, POLLIN)
  kernel.close(listener)
  expect((await waiting) & POLLHUP).toBe(POLLHUP)
  expect(outcome(() => kernel.receiveMessage(near, new Uint8Array(1)))).toBe('ECONNRESET')
  expect(outcome(() => kernel.sendMessage(near, new Uint8Array(1)))).toBe('EPIPE')
  kernel.close(near)
  kernel.close(memory)
  machine.assertQuiescent()
})

it('is told of in what is left open', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const listener = kernel.listen('/tmp/socket')
  const fd = kernel.duplicate(listener)
  expect(() => machine.assertQuiescent()).toThrow(/2 left open/)
  expect(kernel.readLink(`/proc/self/fd/${fd}`)).toMatch(/^socket:\[\d+\]$/)
  kernel.close(listener)
  // It still listens by its other descriptor.
  kernel.close(kernel.connect('/tmp/socket'))
  kernel.close(fd)
  machine.assertQuiescent()
})
