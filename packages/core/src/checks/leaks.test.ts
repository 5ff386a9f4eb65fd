import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { watchForLeak } from './leaks'

/** The collector, which a test run has only where it was asked for: a process can ask for it late. */
async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 5; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('what is forgotten', () => {
  it('is reported once, with where it was made; what was closed is not', async () => {
    const machine = createFakeMachine()
    const ops = {} as DmaOps
    class Watched extends DmaDevice {
      constructor(name: string) {
        super(name, machine.kernel, ops)
        this.watchForLeak()
      }
    }
    const forget = () => {
      new Watched('0000:00:04.0')
    }
    forget()
    new Watched('0000:00:05.0').close()
    await collectGarbage()
    await collectGarbage()
    expect(machine.warnings).toHaveLength(1)
    expect(machine.warnings[0]).toMatchObject({
      code: 'DMA_LEAK',
      message: expect.stringContaining('0000:00:04.0'),
    })
    expect(machine.warnings[0]?.message).toContain('leaks.test.ts')
  })

  it('says where the first hundred of a kind were made, and of which of the others it does', async () => {
    const { kernel, warnings } = createFakeMachine()
    const forget = (count: number, what: string) => {
      for (let index = 0; index < count; index++) watchForLeak({}, what, kernel, index)
    }
    forget(1023, 'a buffer')
    const mine = () => watchForLeak({}, 'a buffer', kernel, 1024)
    mine()
    forget(1, 'a socket')
    await collectGarbage()
    const told = warnings.map(({ message }) => message)
    expect(told).toHaveLength(1025)
    const unknown = told.filter((message) =>
      message.includes('for the first 100 of a kind, and for one in 1024'),
    )
    expect(unknown).toHaveLength(1023 - 100)
    for (const one of ['a buffer of 99 bytes', 'a buffer of 1024 bytes', 'a socket of 0 bytes']) {
      expect(told.find((message) => message.includes(one))).toContain('leaks.test.ts')
    }
  })

  it('keeps no kernel, once all that was made of it is closed', async () => {
    const useOne = () => {
      const { kernel } = createFakeMachine()
      for (let index = 0; index < 200; index++) allocateDmaMemory({ byteLength: 4096, kernel }).close()
      return new WeakRef(kernel)
    }
    const reference = useOne()
    await collectGarbage()
    await collectGarbage()
    expect(reference.deref()).toBeUndefined()
  })
})
