import { describe, expect, it } from 'vitest'
import { callSite } from './call-site'

describe('where a call came from', () => {
  it('is the line of the program, the same each time', () => {
    const sites = [0, 1].map(() => callSite())
    expect(sites[0]).toMatch(/^at .*call-site\.test\.ts:\d+:\d+\)?$/)
    expect(sites[1]).toBe(sites[0])
    expect(callSite()).not.toBe(sites[0])
  })

  it('is as many frames of it as are asked for, innermost first', () => {
    function inner() {
      return callSite(2)
    }
    function outer() {
      return inner()
    }
    const [first, second, ...more] = outer().split('\n')
    expect(first).toMatch(/^at inner .*call-site\.test\.ts/)
    expect(second).toMatch(/^at outer .*call-site\.test\.ts/)
    expect(more).toEqual([])
  })

  it('is none of the engine, through which the program may have called', () => {
    let site = ''
    new Promise(() => {
      site = [0].map(() => callSite(9)).join()
    })
    expect(site).toMatch(/call-site\.test\.ts/)
    expect(site).not.toMatch(/<anonymous>\)/)
  })

  it('tells apart who called the same line from other ones', () => {
    const inner = () => callSite(2)
    const first = inner()
    const second = inner()
    expect(second.split('\n')[0]).toBe(first.split('\n')[0])
    expect(second).not.toBe(first)
  })

  it('is found below many frames that are not the program’s, and has nothing of what it was not asked for', () => {
    const nested = (depth: number): string =>
      depth === 0 ? callSite(3) : [depth].map((left) => nested(left - 1)).join('')
    const lines = nested(6).split('\n')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).toMatch(/call-site\.test\.ts/)
  })

  it('leaves stacks as it found them', () => {
    const before = [Error.stackTraceLimit, Error.prepareStackTrace]
    callSite()
    expect([Error.stackTraceLimit, Error.prepareStackTrace]).toEqual(before)
  })

  it('is not looked for where the program has turned stacks off', () => {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      expect(callSite()).toBe('at an unknown place')
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  })

  it('is made by another preparation of stacks too, as those who map sources have one', () => {
    const { prepareStackTrace } = Error
    Error.prepareStackTrace = (_error, frames) => `Error\n    at mapped.ts:${frames.length > 0 ? 1 : 0}:1`
    try {
      expect(callSite()).toBe('at mapped.ts:1:1')
    } finally {
      Error.prepareStackTrace = prepareStackTrace
    }
  })
})
