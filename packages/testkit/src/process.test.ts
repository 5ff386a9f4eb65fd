import { describe, expect, it } from 'vitest'
import { outcome } from './fixtures/outcome'
import { createFakeMachine } from './machine'

const page = 4096

describe('the process that a program sees', () => {
  it('shows capabilities and locked memory as Linux prints them', () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 4 * page }), { byteLength: 4 * page })
    kernel.mlock(mapping, 0, page + 1)
    expect(kernel.readText('/proc/self/status')).toContain('VmLck:\t       8 kB\n')
    expect(kernel.readText('/proc/self/status')).toContain('CapEff:\t000001ffffffffff\n')
    machine.setUid(1000)
    expect(kernel.readText('/proc/self/status')).toContain('CapEff:\t0000000000000000\n')
    expect(kernel.readText('/proc/self/status')).toContain('Uid:\t1000\t1000\t1000\t1000\n')
    machine.setCapabilities(['CAP_IPC_LOCK', 'CAP_SYS_ADMIN'])
    expect(kernel.readText('/proc/self/status')).toContain('CapEff:\t0000000000204000\n')
    kernel.munlock(mapping)
    expect(kernel.readText('/proc/self/status')).toContain('VmLck:\t       0 kB\n')
  })

  it('shows its limits in the columns of Linux', () => {
    const machine = createFakeMachine({ memlockLimit: 8388608, openFileLimit: 512 })
    const lines = machine.kernel.readText('/proc/self/limits').split('\n')
    expect(lines[0]).toBe('Limit                     Soft Limit           Hard Limit           Units     ')
    expect(lines).toContain('Max locked memory         8388608              8388608              bytes     ')
    expect(lines).toContain('Max open files            512                  512                  files     ')
    machine.setMemlockLimit(Number.POSITIVE_INFINITY)
    expect(machine.kernel.readText('/proc/self/limits')).toMatch(
      /Max locked memory +unlimited +unlimited +bytes/,
    )
  })

  it('locks up to the limit and not beyond, all or nothing', () => {
    const machine = createFakeMachine({ uid: 1000, memlockLimit: 4 * page })
    const { kernel } = machine
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 8 * page }), { byteLength: 8 * page })
    expect(outcome(() => kernel.mlock(mapping, 0, 5 * page))).toBe('ENOMEM')
    expect(outcome(() => kernel.mlock(mapping, 0, 4 * page))).toBe('OK(0)')
    expect(outcome(() => kernel.mlock(mapping, 0, 4 * page))).toBe('OK(0)')
    expect(outcome(() => kernel.mlock(mapping, 4 * page, 1))).toBe('ENOMEM')
    machine.setMemlockLimit(5 * page)
    expect(outcome(() => kernel.mlock(mapping, 4 * page, 1))).toBe('OK(0)')
    machine.setCapabilities(['CAP_IPC_LOCK'])
    expect(outcome(() => kernel.mlock(mapping))).toBe('OK(0)')
    mapping.close()
    expect(kernel.readText('/proc/self/status')).toContain('VmLck:\t       0 kB\n')
  })

  it('may lock nothing at all where the limit is 0', () => {
    const { kernel } = createFakeMachine({ uid: 1000, memlockLimit: 0 })
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: page }), { byteLength: page })
    expect(outcome(() => kernel.mlock(mapping))).toBe('EPERM')
  })

  it('refuses what is no user, limit or capability', () => {
    const machine = createFakeMachine()
    expect(outcome(() => machine.setUid(-1))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => machine.setMemlockLimit(Number.NaN))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => machine.setOpenFileLimit(1.5))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => machine.setCapabilities(['CAP_KILL' as never]))).toBe('DMA_INVALID_ARGUMENT')
  })
})
