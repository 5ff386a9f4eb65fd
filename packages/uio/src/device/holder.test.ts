import { expect, it } from 'vitest'
import { Holder } from './holder'

it('names an unknown place where stacks are too short to tell', async () => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 3
  const holder = (() => new Holder({}))()
  Error.stackTraceLimit = limit
  for (let i = 0; i < 10; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(holder.forgottenAt).toContain('at an unknown place')
})
