import { DmaError, type Kernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from './open-uio'

const EDU = '0000:00:04.0'
const NODE = '/dev/uio0'

function eduMachine(): { machine: ReturnType<typeof createFakeMachine>; kernel: Kernel } {
  const machine = createFakeMachine()
  machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
  return { machine, kernel: machine.kernel }
}

/** A kernel with members of its own in the place of some. */
function withOwn(kernel: Kernel, own: Partial<Kernel>): Kernel {
  return new Proxy(kernel, {
    get(target, name) {
      const member = own[name as keyof Kernel] ?? Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel on which another thread claims the device at the same moment: `before` or after this one. */
function racing(kernel: Kernel, when: 'before' | 'after', looksUntilItWithdraws = Number.POSITIVE_INFINITY) {
  let other: number | undefined
  let looks = 0
  let opened = 0
  const enter = () => {
    other = kernel.memfd('linux-dma-uio0', { byteLength: kernel.pageSize })
  }
  const leave = () => {
    if (other !== undefined) kernel.close(other)
    other = undefined
  }
  const racer = withOwn(kernel, {
    open(path, flags) {
      if (path === NODE) opened++
      return kernel.open(path, flags)
    },
    memfd(name, options) {
      if (when === 'before') enter()
      const fd = kernel.memfd(name, options)
      if (when === 'after') enter()
      return fd
    },
    list(path) {
      if (path === '/proc/self/fd' && other !== undefined && ++looks === looksUntilItWithdraws) leave()
      return kernel.list(path)
    },
  })
  return { racer, leave, opened: () => opened }
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

describe('one descriptor per process, among threads that open it at the same moment', () => {
  it('withdraws where another one has the lower descriptor, and never opens the node', () => {
    const { machine, kernel } = eduMachine()
    const { racer, leave, opened } = racing(kernel, 'before', 2)
    expect(codeOf(() => openUio(0, { kernel: racer }))).toBe('DMA_ALREADY_OPEN')
    expect(opened()).toBe(0)
    leave()
    machine.assertQuiescent()
    openUio(0, { kernel }).close()
  })

  it('has it where the other one, with the higher descriptor, withdraws', () => {
    const { machine, kernel } = eduMachine()
    const { racer } = racing(kernel, 'after', 5)
    {
      using device = openUio(0, { kernel: racer })
      device.setMaster()
      expect(device.busMaster).toBe(true)
    }
    machine.assertQuiescent()
  })

  it('withdraws where the other one stays: it had looked before', () => {
    const { machine, kernel } = eduMachine()
    const { racer, leave, opened } = racing(kernel, 'after')
    expect(codeOf(() => openUio(0, { kernel: racer }))).toBe('DMA_ALREADY_OPEN')
    expect(opened()).toBe(0)
    leave()
    machine.assertQuiescent()
  })

  it('leaves bus mastering to the one that has the device, whatever is tried beside it', () => {
    const { machine, kernel } = eduMachine()
    {
      using device = openUio(0, { kernel })
      device.setMaster()
      expect(codeOf(() => openUio(0, { kernel: withOwn(kernel, {}) }))).toBe('DMA_ALREADY_OPEN')
      expect(device.busMaster).toBe(true)
    }
    machine.assertQuiescent()
  })

  it('refuses where its descriptors cannot be looked at, but not where there is no procfs', () => {
    const { machine, kernel } = eduMachine()
    for (const [code, expected] of [
      ['EMFILE', 'EMFILE'],
      ['ENOENT', 'none'],
    ] as const) {
      const blind = withOwn(kernel, {
        list(path) {
          if (path === '/proc/self/fd') throw new DmaError(code, 'not now')
          return kernel.list(path)
        },
      })
      expect(codeOf(() => openUio(0, { kernel: blind }).close())).toBe(expected)
    }
    machine.assertQuiescent()
  })
})
