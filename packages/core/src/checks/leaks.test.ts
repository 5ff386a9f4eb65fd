import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'

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
})
