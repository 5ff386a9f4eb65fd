import { createFakeMachine } from '@linux-dma/testkit'
import { createUdmabuf } from '@linux-dma/udmabuf'
import { describe, expect, it } from 'vitest'
import { byteLengthOf, formatOf } from './format'
import { Framebuffer } from './framebuffer'

const format = formatOf(854, 480)

describe('a framebuffer', () => {
  it('is one buffer of pieces of many sizes, none beside the one before', () => {
    const machine = createFakeMachine()
    {
      using framebuffer = new Framebuffer(machine.kernel, format, 'test')
      const { buffer, pieces } = framebuffer
      expect(buffer.name).toBe('test')
      expect(buffer.size).toBe(byteLengthOf(format))
      expect(pieces.reduce((sum, { size }) => sum + size, 0)).toBe(buffer.size)
      expect(new Set(pieces.map(({ size }) => size)).size).toBeGreaterThan(5)
      for (const [i, { memory, offset }] of pieces.entries()) {
        const before = pieces[i - 1]
        expect(before?.memory === memory && before.offset + before.size === offset).toBe(false)
      }
    }
    machine.assertQuiescent()
  })

  it('has what is drawn into it in those pieces', () => {
    const machine = createFakeMachine()
    {
      using framebuffer = new Framebuffer(machine.kernel, format, 'test')
      const { buffer, pieces } = framebuffer
      const drawn = buffer.cpuAccess('write', (bytes) => {
        for (let i = 0; i < bytes.length; i++) bytes[i] = (i >> 4) ^ (i >> 12)
        return bytes.slice()
      })
      let at = 0
      for (const { memory, offset, size } of pieces) {
        expect(
          Buffer.compare(memory.bytes.subarray(offset, offset + size), drawn.subarray(at, at + size)),
        ).toBe(0)
        at += size
      }
    }
    machine.assertQuiescent()
  })

  it('is of memory that is sealed: it cannot be punched, and no second buffer be made of it', () => {
    const machine = createFakeMachine()
    {
      using framebuffer = new Framebuffer(machine.kernel, format, 'test')
      expect(() => createUdmabuf({ memory: framebuffer.pieces[0]!.memory })).toThrow(
        expect.objectContaining({ code: 'DMA_SEALED' }),
      )
    }
    machine.assertQuiescent()
  })
})
