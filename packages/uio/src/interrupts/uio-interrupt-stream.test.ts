import type { Kernel } from '@linux-dma/core'
import { createFakeMachine, type UioInfo } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from '../device/open-uio'

function counter(info: Partial<UioInfo> = {}) {
  const machine = createFakeMachine()
  const uio = machine.registerUio({ name: 'counter', version: '1', irq: 'custom', ...info })
  return { machine, uio, kernel: machine.kernel }
}

describe('UioInterruptStream', () => {
  it('counts on where the total wraps', async () => {
    const { machine, uio, kernel } = counter()
    {
      using device = openUio(0, { kernel })
      using stream = device.interrupts()
      uio.notify(0xffff_fff0)
      expect(await stream.next()).toEqual({ done: false, value: { vector: 0, count: 0xffff_fff0 } })
      uio.notify(0x20)
      expect(await stream.next()).toEqual({ done: false, value: { vector: 0, count: 0x20 } })
      expect(device.eventCount).toBe(0x10)
    }
    machine.assertQuiescent()
  })

  it('begins where the total is when it is made, also beyond 2^31', async () => {
    const { uio, kernel } = counter()
    uio.notify(0x9000_0000)
    using device = openUio(0, { kernel })
    uio.notify(5)
    using stream = device.interrupts()
    uio.notify(7)
    expect((await stream.wait({ timeoutMilliseconds: 10 })).count).toBe(7)
  })

  it('does without irqcontrol, and says so where it is asked for', async () => {
    const { machine, uio, kernel } = counter()
    {
      using device = openUio(0, { kernel })
      using stream = device.interrupts()
      expect(() => stream.enable()).toThrow(expect.objectContaining({ code: 'DMA_UNSUPPORTED' }))
      expect(() => stream.disable()).toThrow(expect.objectContaining({ code: 'DMA_UNSUPPORTED' }))
      for (let i = 1; i < 4; i++) {
        uio.notify(i)
        expect((await stream.wait({ timeoutMilliseconds: 10 })).count).toBe(i)
      }
    }
    machine.assertQuiescent()
  })

  it('fails with what irqcontrol fails with, and leaves the interrupts free', async () => {
    const { machine, kernel } = counter({ irqcontrol() {} })
    {
      using device = openUio(0, { kernel })
      machine.failCall({ syscall: 'write', code: 'EIO' })
      expect(() => device.interrupts()).toThrow(expect.objectContaining({ code: 'EIO' }))
      using stream = device.interrupts()
      expect(stream.closed).toBe(false)
      expect(device.removed.aborted).toBe(false)
    }
    machine.assertQuiescent()
  })

  it('lets the process end except while somebody takes interrupts', () => {
    const { machine, kernel } = counter()
    let keeps = true
    const watching = Object.create(kernel, {
      watch: {
        value: (...of: Parameters<Kernel['watch']>) => {
          const watch = kernel.watch(...of)
          return {
            close: () => watch.close(),
            ref: () => {
              keeps = true
            },
            unref: () => {
              keeps = false
            },
          }
        },
      },
    })
    for (const name of [
      'open',
      'close',
      'read',
      'write',
      'memfd',
      'list',
      'readLink',
      'readText',
      'live',
    ] as const) {
      watching[name] = (kernel[name] as (...of: never[]) => unknown).bind(kernel)
    }
    {
      using device = openUio(0, { kernel: watching })
      expect([kernel.live().watches, keeps]).toEqual([1, false])
      const stream = device.interrupts()
      expect(keeps).toBe(true)
      stream.close()
      expect(keeps).toBe(false)
    }
    machine.assertQuiescent()
  })
})
