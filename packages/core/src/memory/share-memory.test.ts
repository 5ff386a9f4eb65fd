// By the package's own name, as vfio does: its devices are then of the same class.
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaAttribute,
  dmaAllocCoherent,
  dmaMmapCoherent,
  exportDmaMemory,
  importDmaMemory,
} from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from '@linux-dma/native'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { kernel } = createFakeMachine()

/** The kernel with one answer changed: what no call of the real one brings about. */
function kernelThat<Verb extends 'getSeals' | 'readText'>(verb: Verb, answer: (typeof kernel)[Verb]) {
  return new Proxy(kernel, {
    get(target, name) {
      const value = name === verb ? answer : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

it('refuses a file that could shrink under its mapping', () => {
  using memory = allocateDmaMemory({ byteLength: 4096, kernel })
  const handle = exportDmaMemory(memory)
  expect(() => importDmaMemory(handle, { kernel: kernelThat('getSeals', () => 0) })).toThrow(
    expect.objectContaining({ code: 'DMA_NOT_SEALED', message: expect.stringContaining('linux-dma') }),
  )
})

it('does without inodes where the kernel does not say them', () => {
  using memory = allocateDmaMemory({ byteLength: 4096, kernel })
  const old = kernelThat('readText', () => 'pos:\t0\nflags:\t02\n')
  using exported = allocateDmaMemory({ byteLength: 4096, kernel: old })
  const handle = exportDmaMemory(exported)
  expect(handle.inode).toBe(0)
  using imported = importDmaMemory(handle, { kernel: old })
  imported.bytes[1] = 1
  expect([exported.bytes[1], memory.bytes[1]]).toEqual([1, 0])
})

describe('memory that was sealed since it was made', () => {
  const sealed = expect.objectContaining({
    code: 'EPERM',
    syscall: 'mmap',
    message: expect.stringContaining('F_SEAL_FUTURE_WRITE'),
    hint: expect.stringMatching(/createUdmabuf.*seal: false.*sendDmaBuf.*exportDmaBuf/),
  })

  it('is not imported, and says why', () => {
    using memory = allocateDmaMemory({ byteLength: 4096, kernel })
    kernel.addSeals(memory.fd, F_SEAL_FUTURE_WRITE)
    const before = kernel.live()
    expect(() => importDmaMemory(exportDmaMemory(memory), { kernel })).toThrow(sealed)
    expect(kernel.live()).toEqual(before)
    memory.bytes[0] = 1
  })

  it('is not mapped once more, and says why', () => {
    const machine = createFakeMachine()
    const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
    device.setMaster()
    const ring = dmaAllocCoherent(device, 4096)
    const hidden = dmaAllocCoherent(device, 4096, DmaAttribute.NoKernelMapping)
    for (const { memory } of [ring, hidden]) machine.kernel.addSeals(memory.fd, F_SEAL_FUTURE_WRITE)
    const second = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
    second.setMaster()
    const before = machine.kernel.live()
    expect(() => dmaMmapCoherent(device, ring)).toThrow(sealed)
    expect(() => createDmaRegion(second, { memory: hidden.memory })).toThrow(sealed)
    expect(machine.kernel.live()).toEqual(before)
    for (const open of [second, device]) open.close()
    machine.assertQuiescent()
  })

  it('is told from memory that nobody may write', () => {
    const fd = kernel.memfd('sealed', { byteLength: 4096 })
    using memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const inode = Number(/^ino:\s+(\d+)/m.exec(kernel.readText(`/proc/self/fdinfo/${fd}`))?.[1])
    kernel.addSeals(fd, F_SEAL_WRITE)
    const handle = { ...exportDmaMemory(memory), fd, inode }
    expect(() => importDmaMemory(handle, { kernel })).toThrow(
      expect.objectContaining({ code: 'EPERM', message: expect.stringContaining('F_SEAL_WRITE') }),
    )
    kernel.close(fd)
  })

  it('fails as the system says where the seals cannot be read', () => {
    const own = createFakeMachine()
    using memory = allocateDmaMemory({ byteLength: 4096, kernel: own.kernel })
    const handle = exportDmaMemory(memory)
    own.failCall({ syscall: 'mmap', code: 'EPERM' })
    own.failCall({ syscall: 'fcntl(F_GET_SEALS)', nth: 3, code: 'EIO' })
    expect(() => importDmaMemory(handle, { kernel: own.kernel })).toThrow(
      expect.objectContaining({ code: 'EPERM', message: expect.stringContaining('may not be mapped') }),
    )
  })
})

it('leaves nothing where it fails, at whichever call', () => {
  const own = createFakeMachine()
  const memory = allocateDmaMemory({ byteLength: 4096, kernel: own.kernel })
  const handle = exportDmaMemory(memory)
  const before = own.kernel.live()
  for (const [syscall, nth] of [
    ['fcntl(F_GET_SEALS)', 1],
    ['open', 1],
    ['open', 2],
    ['fcntl(F_GET_SEALS)', 2],
    ['pread', 1],
    ['mmap', 1],
  ] as const) {
    own.failCall({ syscall, nth, code: 'EIO' })
    expect(() => importDmaMemory(handle, { kernel: own.kernel })).toThrow(
      expect.objectContaining({ code: 'EIO' }),
    )
    expect(own.kernel.live()).toEqual(before)
  }
  importDmaMemory(handle, { kernel: own.kernel }).close()
  memory.close()
  own.assertQuiescent()
})

it('is memory for devices of its own kernel alone', () => {
  const other = createFakeMachine()
  using device = openVfioDevice(other.addDevice(new EduDevice()).address, { kernel: other.kernel })
  using memory = allocateDmaMemory({ byteLength: 4096, kernel })
  // Another machine's descriptors are other numbers, or other files.
  expect(() => importDmaMemory(exportDmaMemory(memory), { kernel: device.kernel })).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^DMA_NOT_/) }),
  )
})
