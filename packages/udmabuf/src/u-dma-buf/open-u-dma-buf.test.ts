import { DmaDirection } from '@linux-dma/core'
import { createFakeMachine, type UDmaBufParameters } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { dmaBufGet } from '../dma-buf/get'
import { syncWord } from './abi'
import { listUDmaBufs } from './list-u-dma-bufs'
import { openUDmaBuf } from './open-u-dma-buf'

const page = 4096
const { ToDevice, FromDevice, Bidirectional } = DmaDirection

function machineWith(...all: UDmaBufParameters[]) {
  const machine = createFakeMachine()
  const buffers = all.map((parameters) => machine.addUDmaBuf(parameters))
  return { machine, kernel: machine.kernel, hardware: buffers[0]! }
}

describe('listUDmaBufs', () => {
  it('tells of all that there are', () => {
    const { kernel, hardware } = machineWith(
      { size: 1 << 20 },
      { name: 'frames', size: 5000, dmaCoherent: false },
    )
    expect(listUDmaBufs({ kernel }).map(({ name }) => name)).toEqual(['frames', 'udmabuf0'])
    expect(listUDmaBufs({ kernel })[1]).toEqual({
      name: 'udmabuf0',
      node: '/dev/udmabuf0',
      path: '/sys/class/u-dma-buf/udmabuf0',
      size: 1 << 20,
      dmaAddress: hardware.dmaAddress,
      dmaCoherent: true,
      syncMode: 1,
      syncOwner: 'cpu',
      driverVersion: '5.5.0',
      ioctlVersion: 2,
    })
  })

  it('finds none where the module is not loaded', () => {
    const { kernel } = createFakeMachine()
    expect(listUDmaBufs({ kernel })).toEqual([])
  })

  it('knows drivers before version 2.0, of another class', () => {
    const { kernel } = machineWith({
      size: page,
      className: 'udmabuf',
      ioctlVersion: 0,
      driverVersion: '1.4.5',
    })
    expect(listUDmaBufs({ kernel })[0]).toMatchObject({
      path: '/sys/class/udmabuf/udmabuf0',
      ioctlVersion: 0,
    })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    expect(buffer.size).toBe(page)
  })
})

describe('openUDmaBuf', () => {
  it('gives the memory itself, at the address that devices have', () => {
    const { machine, kernel, hardware } = machineWith({ size: 1 << 20, dmaMaskBits: 28 })
    using buffer = openUDmaBuf('/dev/udmabuf0', { kernel })
    expect([buffer.size, buffer.bytes.byteLength, buffer.dmaAddress]).toEqual([
      1 << 20,
      1 << 20,
      hardware.dmaAddress,
    ])
    buffer.bytes[page] = 7
    expect(hardware.bytes[page]).toBe(7)
    buffer.close()
    buffer.close()
    expect(() => buffer.bytes).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
    expect(() => buffer.syncForCpu()).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
    expect(() => buffer.syncOwner).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
    machine.assertQuiescent()
  })

  it('is the same memory for all who open it, and keeps its bytes', () => {
    const { kernel } = machineWith({ size: page })
    using first = openUDmaBuf('udmabuf0', { kernel })
    using second = openUDmaBuf('udmabuf0', { kernel })
    first.bytes[1] = 3
    expect(second.bytes[1]).toBe(3)
    first.close()
    second.close()
    using third = openUDmaBuf('udmabuf0', { kernel })
    expect(third.bytes[1]).toBe(3)
  })

  it('has as many bytes as were asked for, where that are no whole pages', () => {
    const { kernel } = machineWith({ size: 5000 })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    expect([buffer.bytes.byteLength, buffer.memory.byteLength]).toEqual([5000, 2 * page])
    buffer.syncForDevice()
    expect(() => buffer.syncForDevice({ size: 5001 })).toThrow(expect.objectContaining({ code: 'DMA_RANGE' }))
  })

  it.each([
    ['udmabuf0', 'DMA_NO_DEVICE', /modprobe u-dma-buf udmabuf0=1048576/],
    ['frames', 'DMA_NO_DEVICE', /modprobe u-dma-buf udmabuf0=1048576/],
    ['../udmabuf0', 'DMA_INVALID_ARGUMENT', /listUDmaBufs/],
    [7 as never, 'DMA_INVALID_ARGUMENT', /listUDmaBufs/],
  ])('refuses %s where there is none', (name, code, hint) => {
    const { kernel } = createFakeMachine()
    expect(() => openUDmaBuf(name, { kernel })).toThrow(
      expect.objectContaining({ code, hint: expect.stringMatching(hint) }),
    )
  })

  it('names those that there are', () => {
    const { kernel } = machineWith({ name: 'frames', size: page })
    expect(() => openUDmaBuf('udmabuf0', { kernel })).toThrow(/there are: frames/)
  })

  it('says how a user gets at it', () => {
    const { machine, kernel } = machineWith({ size: page })
    machine.setUid(1000)
    expect(() => openUDmaBuf('udmabuf0', { kernel })).toThrow(
      expect.objectContaining({
        code: 'EACCES',
        hint: expect.stringContaining('SUBSYSTEM=="u-dma-buf", KERNEL=="udmabuf0", MODE="0660"'),
      }),
    )
    machine.chown('/dev/udmabuf0', 1000)
    // All that is needed: sysfs may be read by everybody.
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    buffer.syncForDevice()
    expect(buffer.syncOwner).toBe('device')
  })

  it.each(['open', 'ioctl(U_DMA_BUF_IOCTL_GET_DEV_INFO)', 'mmap'])(
    'leaves nothing open where %s fails',
    (syscall) => {
      const { machine, kernel } = machineWith({ size: page })
      machine.failCall({ syscall, code: 'ENOMEM' })
      expect(() => openUDmaBuf('udmabuf0', { kernel })).toThrow(expect.objectContaining({ code: 'ENOMEM' }))
      machine.assertQuiescent()
    },
  )

  it('does not take options that it does not know', () => {
    const { kernel } = machineWith({ size: page })
    expect(() => openUDmaBuf('udmabuf0', { kernel, cache: false } as never)).toThrow(
      /no option is called 'cache'/,
    )
    expect(() => openUDmaBuf('udmabuf0', { kernel, cached: 0 as never })).toThrow(/cached is 0/)
  })
})

describe('syncs of a buffer that is not coherent', () => {
  const open = (parameters: Partial<UDmaBufParameters> = {}, cached = true) => {
    const made = machineWith({ size: 4 * page, dmaCoherent: false, ...parameters })
    return { ...made, buffer: openUDmaBuf('udmabuf0', { kernel: made.kernel, cached }) }
  }

  it('shows a device what the CPU wrote once that is synced, and not before', () => {
    const { buffer, hardware } = open()
    expect(buffer.coherent).toBe(false)
    buffer.bytes.fill(1)
    expect([hardware.bytes[0], hardware.bytes[page]]).toEqual([0, 0])
    buffer.syncForDevice({ offset: page, size: page, direction: ToDevice })
    expect([hardware.bytes[page - 1], hardware.bytes[page], hardware.bytes[2 * page]]).toEqual([0, 1, 0])
    expect(buffer.syncOwner).toBe('device')
  })

  it('shows the CPU what a device wrote once that is synced, and not before', () => {
    const { buffer, hardware } = open()
    hardware.bytes.fill(2)
    expect(buffer.bytes[0]).toBe(0)
    buffer.syncForCpu({ size: 16, direction: FromDevice })
    expect([buffer.bytes[15], buffer.bytes[16]]).toEqual([2, 0])
    buffer.syncForCpu({ direction: ToDevice })
    expect(buffer.bytes[16]).toBe(0)
    buffer.syncForCpu()
    expect(buffer.bytes[4 * page - 1]).toBe(2)
    expect(buffer.syncOwner).toBe('cpu')
  })

  it.each([
    ['1', false],
    ['0', true],
    [undefined, true],
    [undefined, undefined],
  ])('goes by the driver where sysfs says %s: %s', (text, dmaCoherent) => {
    // A node that is another's than sysfs told of; or a kernel that tells neither.
    const { kernel } = machineWith({ size: page, dmaCoherent: dmaCoherent === true })
    const readText = (path: string) => {
      if (!path.endsWith('/dma_coherent')) return kernel.readText(path)
      return text ?? kernel.readText('/sys/no/such/file')
    }
    const own = new Proxy(kernel, {
      get(target, name) {
        const value = name === 'readText' ? readText : Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    using buffer = openUDmaBuf('udmabuf0', { kernel: own })
    expect([buffer.info.dmaCoherent, buffer.coherent]).toEqual([dmaCoherent, dmaCoherent === true])
  })

  it('needs none past the caches', () => {
    const { buffer, hardware } = open({}, false)
    expect([buffer.coherent, buffer.cached]).toEqual([true, false])
    buffer.bytes[5] = 5
    expect(hardware.bytes[5]).toBe(5)
  })

  it.each([
    [0, true, false],
    [0, false, false],
    [3, true, false],
    [3, false, true],
    [4, false, false],
    [5, true, true],
  ])('goes by sync_mode %i: opened with caches %s, it is coherent: %s', (syncMode, cached, coherent) => {
    const { buffer, hardware } = open({ syncMode }, cached)
    expect(buffer.coherent).toBe(coherent)
    buffer.bytes[0] = 1
    expect(hardware.bytes[0]).toBe(coherent ? 1 : 0)
  })

  it('goes by sysfs where the driver has no ioctls, as far as that can say it', () => {
    const { machine, kernel, buffer, hardware } = open({ ioctlVersion: 0, driverVersion: '3.2.5' })
    buffer.bytes.fill(1)
    buffer.syncForDevice({ offset: 48, size: 32 })
    expect([hardware.bytes[47], hardware.bytes[48], hardware.bytes[80]]).toEqual([0, 1, 0])
    expect(buffer.syncOwner).toBe('device')
    expect(() => buffer.syncForCpu({ size: 100 })).toThrow(
      expect.objectContaining({
        code: 'DMA_UNSUPPORTED',
        hint: expect.stringMatching(/multiples of 16.*4\.7/),
      }),
    )
    machine.chown('/dev/udmabuf0', 1000)
    machine.setUid(1000)
    expect(() => buffer.syncForCpu()).toThrow(
      expect.objectContaining({ code: 'EACCES', hint: expect.stringContaining('chown') }),
    )
    expect(kernel.live().descriptors).toBe(1)
  })

  it.each([
    [{ offset: -1 }, 'DMA_RANGE'],
    [{ offset: 4 * page }, 'DMA_RANGE'],
    [{ size: 0 }, 'DMA_RANGE'],
    [{ offset: 1, size: 4 * page }, 'DMA_RANGE'],
    [{ offset: 0.5 }, 'DMA_RANGE'],
    [{ direction: 3 as never }, 'DMA_INVALID_ARGUMENT'],
    [{ byteLength: 4 } as never, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %j before it asks the driver', (options, code) => {
    const { machine, buffer } = open()
    machine.failCall({ syscall: 'ioctl(U_DMA_BUF_IOCTL_SET_SYNC)', code: 'EIO' })
    expect(() => buffer.syncForCpu(options)).toThrow(expect.objectContaining({ code }))
  })
})

describe('the word of a sync by sysfs', () => {
  it.each([
    [0, 16, Bidirectional, '0x0000000000000011'],
    [0x1000, 0x1000, ToDevice, '0x0000100000001005'],
    [0xffff_fff0, 0xffff_fff0, FromDevice, '0xfffffff0fffffff9'],
  ])('says %i, %i, direction %i', (offset, size, direction, word) => {
    expect(syncWord(offset, size, direction)).toBe(word)
  })

  it.each([
    [2 ** 32, 16],
    [0, 2 ** 32],
    [0, 8],
  ])('cannot say %i, %i', (offset, size) => {
    expect(syncWord(offset, size, Bidirectional)).toBeUndefined()
  })
})

describe('exportDmaBuf', () => {
  it('makes a dma-buf of pages, which outlives the buffer', () => {
    const { machine, kernel } = machineWith({ size: 4 * page })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    using part = buffer.exportDmaBuf({ offset: page, size: 2 * page })
    expect(part.info()).toMatchObject({ size: 2 * page, exporter: 'udmabuf0', access: 'read-write' })
    buffer.bytes[page] = 9
    using other = dmaBufGet(part.fd, { kernel })
    buffer.close()
    expect(other.cpuAccess('read', (bytes) => bytes[0])).toBe(9)
    other.close()
    part.close()
    machine.assertQuiescent()
  })

  it('brings its brackets to a buffer that is not coherent', () => {
    const { kernel, hardware } = machineWith({ size: 2 * page, dmaCoherent: false })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    using part = buffer.exportDmaBuf()
    hardware.bytes[3] = 4
    part.cpuAccess('read-write', (bytes) => {
      expect(bytes[3]).toBe(4)
      bytes[4] = 5
      expect(hardware.bytes[4]).toBe(0)
    })
    expect(hardware.bytes[4]).toBe(5)
  })

  it.each([
    [{ offset: 1 }, 'DMA_ALIGNMENT'],
    [{ size: 100 }, 'DMA_ALIGNMENT'],
    [{ size: 0 }, 'DMA_RANGE'],
    [{ offset: page, size: 4 * page }, 'DMA_RANGE'],
    [{ offset: -page, size: 2 * page }, 'DMA_RANGE'],
    [{ offset: 4 * page }, 'DMA_RANGE'],
    [{ length: page } as never, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %j before it asks the driver', (options, code) => {
    const { machine, kernel } = machineWith({ size: 4 * page + 8 })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    machine.failCall({ syscall: 'ioctl(U_DMA_BUF_IOCTL_EXPORT)', code: 'EIO' })
    expect(() => buffer.exportDmaBuf(options)).toThrow(expect.objectContaining({ code }))
  })

  it('says which driver can', () => {
    const { kernel } = machineWith({ size: page, ioctlVersion: 1, driverVersion: '4.7.0' })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    expect(() => buffer.exportDmaBuf()).toThrow(
      expect.objectContaining({
        code: 'DMA_UNSUPPORTED',
        message: expect.stringContaining('4.7.0'),
        hint: expect.stringContaining('4.8'),
      }),
    )
  })
})
