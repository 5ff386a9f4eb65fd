import type { Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
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

/** A kernel on which another thread opens the node at the same moment: `before` or after this one's open(). */
function racing(kernel: Kernel, when: 'before' | 'after', looksUntilItWithdraws = Number.POSITIVE_INFINITY) {
  let other: number | undefined
  let looks = 0
  const enter = () => {
    other = kernel.open(NODE, O_RDWR)
  }
  const leave = () => {
    if (other !== undefined) kernel.close(other)
    other = undefined
  }
  const racer = withOwn(kernel, {
    open(path, flags) {
      if (path !== NODE) return kernel.open(path, flags)
      if (when === 'before') enter()
      const fd = kernel.open(path, flags)
      if (when === 'after') enter()
      return fd
    },
    list(path) {
      if (path === '/proc/self/fd' && other !== undefined && ++looks === looksUntilItWithdraws) leave()
      return kernel.list(path)
    },
  })
  return { racer, leave }
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
  it('withdraws where another one has the lower descriptor', () => {
    const { machine, kernel } = eduMachine()
    const { racer, leave } = racing(kernel, 'before')
    expect(codeOf(() => openUio(0, { kernel: racer }))).toBe('DMA_ALREADY_OPEN')
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
    const { racer, leave } = racing(kernel, 'after')
    expect(codeOf(() => openUio(0, { kernel: racer }))).toBe('DMA_ALREADY_OPEN')
    leave()
    machine.assertQuiescent()
  })
})
