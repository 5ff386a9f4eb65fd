import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'
import { allocateDmaMemory } from './allocate-memory'
import { exportDmaMemory, importDmaMemory } from './share-memory'

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
    ['pread64', 1],
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
