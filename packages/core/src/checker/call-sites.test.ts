import { describe, expect, it } from 'vitest'
import { CallSites } from './call-sites'

describe('where things were mapped and unmapped', () => {
  it('is known of the first ones, of the last of them as of the first', () => {
    const sites = new CallSites(false, 1000)
    for (let asked = 1; asked < 1000; asked++) if (sites.here() === 0) expect.unreachable(`${asked}`)
    const theLastOne = () => sites.here()
    expect(sites.textOf(theLastOne())).toMatch(/^at theLastOne \(.*call-sites\.test\.ts:\d+:\d+\)/)
  })

  it('is one of those that were seen from then on, or another, and is known of one in 64', () => {
    const sites = new CallSites(false, 64)
    for (let asked = 0; asked < 64; asked++) sites.here()
    let known = 0
    for (let asked = 0; asked < 640; asked++) if (sites.here() > 0) known++
    expect(known).toBe(10)
    expect(sites.textOf(0)).toMatch(
      /^at a place that was not taken down, maybe at .*, or at .*, or elsewhere: callSites: 'all' takes down each$/,
    )
  })

  it('is always known where that is asked for', () => {
    const sites = new CallSites(true, 0)
    for (let asked = 0; asked < 100; asked++) {
      expect(sites.textOf(sites.here())).toMatch(/^at .*call-sites\.test\.ts/)
    }
  })
})
