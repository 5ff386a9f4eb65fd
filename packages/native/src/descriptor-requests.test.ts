import { describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { loadFaultyAddon } from '../test-support/faults'
import { newDescriptor } from './descriptor-requests'
import { createLinuxKernel } from './linux-kernel'

describe('requests that make a descriptor', () => {
  it('are known, with the place where it is found', () => {
    expect(newDescriptor(0x3b6a, 7, new Uint8Array(8))).toBe(7)
    expect(newDescriptor(0x40187542, 8, new Uint8Array(24))).toBe(8)
    expect(newDescriptor(0x40087543, 9, new Uint8Array(32))).toBe(9)
    expect(newDescriptor(0x3b67, 1, 3)).toBeUndefined()
    const heap = new Uint8Array(new Uint32Array([4096, 0, 11, 0, 0, 0]).buffer)
    expect(newDescriptor(0xc0184800, 0, heap)).toBe(11)
    const merge = new Uint8Array(48)
    merge[36] = 12
    expect(newDescriptor(0xc0303e03, 0, merge)).toBe(12)
    const uDmaBuf = new Uint8Array(40)
    uDmaBuf[32] = 13
    expect(newDescriptor(0xc028550a, 0, uDmaBuf)).toBe(13)
    expect(newDescriptor(0xc0184800, 0, 5)).toBeUndefined()
  })

  it('give this kernel a descriptor to count and to close', () => {
    const addon = loadFaultyAddon()
    // A driver that answers VFIO_GROUP_GET_DEVICE_FD with an open file.
    const kernel = createLinuxKernel({ ...addon, ioctl: () => addon.eventfd(0) } as typeof addon)
    const before = kernel.live().descriptors
    const fd = kernel.ioctl(0, 0x3b6a, new Uint8Array(8), 'VFIO_GROUP_GET_DEVICE_FD')
    expect(kernel.live().descriptors).toBe(before + 1)
    kernel.close(fd)
    expect(thrownBy(() => kernel.close(fd)).code).toBe('EBADF')
  })
})
