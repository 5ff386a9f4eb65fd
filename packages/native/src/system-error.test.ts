import { describe, expect, it } from 'vitest'
import { DmaError, isDmaError } from './errors'
import { systemError, toDmaError } from './system-error'

describe('errors of system calls', () => {
  it('have the fields of Node’s own', () => {
    const error = systemError(-13, { syscall: 'open', path: '/dev/uio0' })
    expect(error).toMatchObject({ code: 'EACCES', errno: -13, syscall: 'open', path: '/dev/uio0' })
    expect(error.message).toBe(
      "EACCES: permission denied, open '/dev/uio0'\n  hint: let this user in: sudo setfacl -m u:$USER:rw /dev/uio0 (sysfs: sudo chown $USER /dev/uio0)",
    )
    expect(isDmaError(error, 'EACCES')).toBe(true)
  })

  it('have a name even where libuv knows none', () => {
    expect(systemError(-71, { syscall: 'ioctl' }).code).toBe('EPROTO')
    expect(systemError(-42, { syscall: 'ioctl' }).code).toBe('ENOMSG')
    expect(systemError(-77, { syscall: 'ioctl' }).code).toBe('EBADFD')
    expect(systemError(-524, { syscall: 'ioctl' })).toMatchObject({ code: 'E524', errno: -524 })
  })

  it('leave absent what is not known', () => {
    expect(Object.keys(systemError(-5, { syscall: 'read' })).sort()).toEqual([
      'code',
      'errno',
      'name',
      'syscall',
    ])
  })

  it('leave alone what is no system error', () => {
    const own = new DmaError('DMA_CLOSED', 'closed')
    const type = new TypeError('other')
    expect(toDmaError(own)).toBe(own)
    expect(toDmaError(type)).toBe(type)
    expect(toDmaError('text')).toBe('text')
  })
})
