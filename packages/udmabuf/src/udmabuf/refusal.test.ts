import { allocateDmaMemory, type Kernel } from '@linux-dma/core'
import { F_SEAL_SEAL, F_SEAL_SHRINK } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { createUdmabuf } from '../index'

const page = 4096

/** A kernel whose memfds have other seals than its own: `kernel.memfd()` makes none that could shrink. */
function sealed(kernel: Kernel, seals: number): { kernel: Kernel; looks: number[] } {
  const looks: number[] = []
  const getSeals = (fd: number) => {
    looks.push(fd)
    return seals
  }
  const proxy = new Proxy(kernel, {
    get(target, key) {
      if (key === 'getSeals') return getSeals
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { kernel: proxy, looks }
}

it.each([
  ['no seal', 0],
  ['seals that are final, as files of tmpfs have them', F_SEAL_SEAL],
])('a memfd that could shrink is refused: %s', (_, seals) => {
  const machine = createFakeMachine()
  const { kernel } = sealed(machine.kernel, seals)
  const fd = kernel.memfd('x', { byteLength: page })
  expect(() => createUdmabuf({ list: [{ fd, size: page }], kernel })).toThrow(
    expect.objectContaining({
      code: 'DMA_NOT_SEALED',
      hint: expect.stringContaining(`kernel.addSeals(${fd}, F_SEAL_SHRINK)`),
    }),
  )
  kernel.close(fd)
  machine.assertQuiescent()
})

it('a memfd is looked at once, however many of its pieces are in a list', () => {
  const machine = createFakeMachine()
  const { kernel, looks } = sealed(machine.kernel, F_SEAL_SHRINK)
  const fds = [1, 2].map(() => kernel.memfd('x', { byteLength: 4 * page }))
  const list = Array.from({ length: 100 }, (_, index) => ({ fd: fds[index % 2]!, size: page }))
  createUdmabuf({ list, kernel }).close()
  expect(looks).toEqual(fds)
  list[77] = { fd: fds[1]!, size: 5 * page }
  expect(() => createUdmabuf({ list, kernel })).toThrow(/DMA_RANGE: list\[77\]/)
  for (const fd of fds) kernel.close(fd)
  machine.assertQuiescent()
})

it('memory of another kernel object is named', () => {
  const machine = createFakeMachine()
  const { kernel } = createFakeMachine()
  using memory = allocateDmaMemory({ byteLength: page, kernel: machine.kernel })
  expect(() => createUdmabuf({ memory, kernel })).toThrow(
    expect.objectContaining({
      code: 'DMA_WRONG_KERNEL',
      hint: expect.stringContaining('leave { kernel } out'),
    }),
  )
})

it.each([
  ['nothing', undefined],
  ['no options', {}],
  ['two shapes', { memory: new Uint8Array(1), list: [] }],
  ['an option of another shape', { size: page, offset: 0 }],
  ['a list that is none', { list: 7 }],
  ['an empty list', { list: [] }],
  ['a piece of nothing', { list: [{}] }],
  ['a piece of both', { list: [{ fd: 1, memory: new Uint8Array(1), size: page }] }],
  ['a piece without a size', { list: [{ fd: 1 }] }],
  ['a word for a size', { size: '4096' }],
  ['no huge page', { size: page, hugePageSize: 0 }],
  ['a seal that is neither', { size: page, seal: 1 }],
  ['a budget that is none', { size: page, budget: 1 }],
  ['a misspelled option', { size: page, naem: 'x' }],
  ['memory that is none', { memory: 7 }],
])('%s cannot be made a buffer of', (_, options) => {
  const machine = createFakeMachine()
  const given = options && { kernel: machine.kernel, ...options }
  expect(() => createUdmabuf(given as never)).toThrow('DMA_INVALID_ARGUMENT')
  machine.assertQuiescent()
})

it('bytes of JavaScript’s own heap are no memory for a buffer', () => {
  const { kernel } = createFakeMachine()
  expect(() => createUdmabuf({ memory: new Uint8Array(page), kernel })).toThrow('DMA_NOT_DMA_MEMORY')
})
