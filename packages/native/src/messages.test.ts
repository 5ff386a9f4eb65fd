import { describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()

function withPair(use: (left: number, right: number) => void): void {
  const before = kernel.live().descriptors
  const ends = kernel.socketPair()
  try {
    use(...ends)
  } finally {
    for (const fd of ends) kernel.close(fd)
  }
  expect(kernel.live().descriptors).toBe(before)
}

describe('messages between sockets', () => {
  it('carry bytes and open files', () => {
    withPair((left, right) => {
      const memory = kernel.memfd('travels', { byteLength: 4096 })
      const mapping = kernel.mmap(memory, { byteLength: 4096 })
      mapping.bytes[0] = 42
      expect(kernel.sendMessage(left, Buffer.from('take this'), [memory, memory])).toBe(9)
      const bytes = new Uint8Array(64)
      const { byteLength, descriptors } = kernel.receiveMessage(right, bytes)
      expect(Buffer.from(bytes.subarray(0, byteLength)).toString()).toBe('take this')
      expect(descriptors).toHaveLength(2)
      const copy = kernel.mmap(descriptors[1]!, { byteLength: 4096 })
      expect(copy.bytes[0]).toBe(42)
      for (const fd of [memory, ...descriptors]) kernel.close(fd)
      mapping.close()
      copy.close()
    })
  })

  it('keep their borders, and carry 253 descriptors at most', () => {
    withPair((left, right) => {
      kernel.sendMessage(left, Buffer.from('a'))
      kernel.sendMessage(left, Buffer.from('bc'), new Array(253).fill(left))
      const bytes = new Uint8Array(8)
      expect(kernel.receiveMessage(right, bytes)).toEqual({ byteLength: 1, descriptors: [] })
      const { byteLength, descriptors } = kernel.receiveMessage(right, bytes)
      expect([byteLength, descriptors.length, new Set(descriptors).size]).toEqual([2, 253, 253])
      for (const fd of descriptors) kernel.close(fd)
      expect(thrownBy(() => kernel.sendMessage(left, bytes, new Array(254).fill(left))).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    })
  })

  it('never lose a part in silence: a longer message is an error, and its descriptors are closed', () => {
    withPair((left, right) => {
      kernel.sendMessage(left, Buffer.from('too long'), [left])
      const error = thrownBy(() => kernel.receiveMessage(right, new Uint8Array(3)))
      expect(error).toMatchObject({ code: 'EMSGSIZE', syscall: 'recvmsg' })
      expect(error.hint).toContain('receive into more')
    })
  })

  it('say EAGAIN before one is there, and EPIPE when the other end has gone', () => {
    withPair((left, right) => {
      expect(thrownBy(() => kernel.receiveMessage(right, new Uint8Array(1))).code).toBe('EAGAIN')
      const [one, other] = kernel.socketPair()
      kernel.close(other)
      expect(thrownBy(() => kernel.sendMessage(one, new Uint8Array(1))).code).toBe('EPIPE')
      expect(kernel.receiveMessage(one, new Uint8Array(1)).byteLength).toBe(0)
      kernel.close(one)
      expect(thrownBy(() => kernel.sendMessage(left, new Uint8Array(1), [1_000_000])).code).toBe('EBADF')
    })
  })

  it('refuse what is no message', () => {
    withPair((left, right) => {
      expect(thrownBy(() => kernel.sendMessage(left, new Uint8Array(0))).code).toBe('DMA_INVALID_ARGUMENT')
      expect(thrownBy(() => kernel.receiveMessage(right, new Uint8Array(0))).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
      for (const bad of [[-1], [0.5], ['1'], 3, 'x', null]) {
        expect(thrownBy(() => kernel.sendMessage(left, new Uint8Array(1), bad as number[])).code).toBe(
          'DMA_INVALID_ARGUMENT',
        )
      }
    })
  })
})
