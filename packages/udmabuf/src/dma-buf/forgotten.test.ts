import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { openUDmaBuf } from '../u-dma-buf/open-u-dma-buf'
import { createUdmabuf } from '../udmabuf/create-udmabuf'
import { dmaBufGet } from './get'

/** The collector, which a test run has only where it was asked for: a process can ask for it late. */
async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 10; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

it.each([
  ['a buffer', false],
  ['a buffer that is mapped', true],
])('tells of %s that was forgotten while its memory is in use', async (_, map) => {
  const machine = createFakeMachine()
  const { kernel } = machine
  using memory = allocateDmaMemory({ byteLength: 8192, kernel })
  const forget = () => {
    const buffer = createUdmabuf({ memory, seal: false })
    if (map) buffer.map().bytes.fill(1)
    expect([...memory.dmaBufs]).toEqual([buffer])
  }
  forget()
  using part = createUdmabuf({ list: [{ memory, size: 4096 }], kernel, seal: false })
  await collectGarbage()
  expect(machine.warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('a dma-buf of 8192 bytes was forgotten'),
  ])
  expect([...memory.dmaBufs]).toEqual([part])
})

it('goes on counting the pages of a u-dma-buf that a forgotten dma-buf shows', async () => {
  const machine = createFakeMachine()
  machine.addUDmaBuf({ size: 16_384 })
  using buffer = openUDmaBuf('udmabuf0', { kernel: machine.kernel })
  const forget = () => void buffer.exportDmaBuf({ size: 4096 })
  forget()
  await collectGarbage()
  expect(machine.warnings).toHaveLength(1)
  expect([buffer.memory.dmaBufs.size, buffer.pages.free]).toEqual([0, 3])
})

it('knows what is still open by its descriptor alone', async () => {
  const { kernel } = createFakeMachine()
  using memory = allocateDmaMemory({ byteLength: 4096, kernel })
  using buffer = createUdmabuf({ memory })
  using same = dmaBufGet(buffer.fd, { kernel })
  await collectGarbage()
  expect(same.memory).toBe(memory)
  expect([...memory.dmaBufs]).toEqual([buffer, same])
})
