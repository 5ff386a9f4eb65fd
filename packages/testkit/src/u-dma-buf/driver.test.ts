import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { createFakeMachine } from '../machine'

const page = 4096
const DRIVER = '/sys/bus/platform/drivers/u-dma-buf'
const O_SYNC = 0o4010000

function setUp(parameters = {}) {
  const machine = createFakeMachine()
  const hardware = machine.addUDmaBuf({ size: 2 * page, ...parameters })
  const { kernel } = machine
  return { machine, kernel, hardware, unbind: () => kernel.writeText(`${DRIVER}/unbind`, 'u-dma-buf.0') }
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)
}

describe('machine.addUDmaBuf', () => {
  it('names buffers by the lowest number, and takes each name once', () => {
    const { machine } = setUp()
    expect(machine.addUDmaBuf({ size: 1 }).name).toBe('udmabuf1')
    expect(machine.addUDmaBuf({ size: 1, name: 'frames' }).name).toBe('frames')
    expect(() => machine.addUDmaBuf({ size: 1, name: 'frames' })).toThrow(/already/)
  })

  it.each([
    [{ size: 0 }],
    [{ size: page, dmaMaskBits: 65 }],
    [{ size: page, syncMode: 8 }],
    [{ size: page, ioctlVersion: 3 }],
    [{ size: page, dmaCoherent: 1 }],
    [{ size: page, name: 'a/b' }],
    [{ size: page, className: 'uio' }],
    [{ size: page, cached: true }],
  ])('refuses %j', (parameters) => {
    expect(() => createFakeMachine().addUDmaBuf(parameters as never)).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
    )
  })

  it('has no memory where none lies below so many address bits', () => {
    expect(() => createFakeMachine().addUDmaBuf({ size: page, dmaMaskBits: 20 })).toThrow(
      expect.objectContaining({ code: 'ENOMEM' }),
    )
  })
})

describe('unbinding', () => {
  it('takes the buffer away, and binding makes another', () => {
    const { machine, kernel, hardware, unbind } = setUp()
    hardware.bytes[0] = 1
    expect(kernel.readLink('/sys/devices/platform/u-dma-buf.0/driver')).toBe(
      '../../../bus/platform/drivers/u-dma-buf',
    )
    unbind()
    expect(kernel.list('/sys/class/u-dma-buf')).toEqual([])
    expect(() => kernel.open('/dev/udmabuf0', O_RDWR)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(() => hardware.bytes).toThrow(/not bound/)
    expect(unbind).toThrow(expect.objectContaining({ code: 'ENODEV' }))
    kernel.writeText(`${DRIVER}/bind`, 'u-dma-buf.0')
    expect(hardware.bytes[0]).toBe(0)
    expect(() => kernel.writeText(`${DRIVER}/bind`, 'u-dma-buf.0')).toThrow(
      expect.objectContaining({ code: 'EBUSY' }),
    )
    expect(machine.log).toEqual([])
  })

  it('frees memory that a program has mapped, and says what Linux would do', () => {
    const { machine, kernel, unbind } = setUp()
    const fd = kernel.open('/dev/udmabuf0', O_RDWR)
    const mapping = kernel.mmap(fd, { byteLength: page })
    unbind()
    expect(mapping.bytes[0]).toBe(0x6b)
    expect(machine.log).toMatchObject([
      { device: 'u-dma-buf.0', message: expect.stringContaining('may crash') },
    ])
    expect(() => kernel.ioctl(fd, 0x80085502, words(0))).toThrow(expect.objectContaining({ code: 'ENODEV' }))
    mapping.close()
    kernel.close(fd)
    machine.assertQuiescent()
  })

  it('leaves a buffer of which there is a dma-buf, for good', () => {
    const { machine, kernel, unbind } = setUp()
    const fd = kernel.open('/dev/udmabuf0', O_RDWR)
    const argument = words(O_RDWR, page, 0, 0, 0)
    kernel.ioctl(fd, 0xc028550a, argument)
    kernel.close(fd)
    unbind()
    expect(machine.log).toMatchObject([{ message: 'driver remove failed. return=-16' }])
    expect(kernel.readText('/sys/class/u-dma-buf/udmabuf0/size')).toBe('8192\n')
    kernel.close(new DataView(argument.buffer).getInt32(32, true))
    kernel.close(kernel.open('/dev/udmabuf0', O_RDWR))
    machine.assertQuiescent()
  })
})

describe('memory that is not coherent', () => {
  it('is two memories, which a sync makes equal', () => {
    const { kernel, hardware } = setUp({ dmaCoherent: false })
    const fd = kernel.open('/dev/udmabuf0', O_RDWR)
    const cached = kernel.mmap(fd, { byteLength: page })
    const past = kernel.mmap(kernel.open('/dev/udmabuf0', O_RDWR | O_SYNC), { byteLength: page })
    cached.bytes[0] = 1
    expect([hardware.bytes[0], past.bytes[0]]).toEqual([0, 0])
    kernel.ioctl(fd, 0x40185509, words(3, 16, 0))
    expect([hardware.bytes[0], past.bytes[0]]).toEqual([1, 1])
    past.bytes[1] = 2
    expect([hardware.bytes[1], cached.bytes[1]]).toEqual([2, 0])
    kernel.ioctl(fd, 0x40185509, words(1 | 4, 16, 0))
    expect(cached.bytes[1]).toBe(0)
    kernel.ioctl(fd, 0x40185509, words(1 | 8, 16, 0))
    expect(cached.bytes[1]).toBe(2)
  })

  it('keeps what is in the caches when nothing is mapped any more', () => {
    const { kernel, hardware } = setUp({ dmaCoherent: false })
    const fd = kernel.open('/dev/udmabuf0', O_RDWR)
    const first = kernel.mmap(fd, { byteLength: page })
    first.bytes[0] = 1
    first.close()
    const second = kernel.mmap(fd, { byteLength: page })
    expect([second.bytes[0], hardware.bytes[0]]).toEqual([1, 0])
  })
})
