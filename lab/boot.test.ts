import { expect, it } from 'vitest'
import { crashWhileBooting } from './boot.mjs'

const panic = '[    0.036000] Kernel panic - not syncing: timer does not work'
const nothing = { jobs: new Map(), failure: undefined, kernelLog: [], console: '' }

it('tells a kernel that crashed while it booted from one that crashed later, and from other ends', () => {
  expect(crashWhileBooting({ ...nothing, console: `Booting\r\n${panic}\r\n` })).toBe(panic)
  expect(crashWhileBooting({ ...nothing, kernelLog: [panic] })).toBe(panic)
  const jobs = new Map([['script', {} as never]])
  expect(crashWhileBooting({ ...nothing, jobs, console: panic })).toBeUndefined()
  expect(crashWhileBooting({ ...nothing, failure: 'no driver', console: panic })).toBeUndefined()
  expect(crashWhileBooting({ ...nothing, console: 'reboot: Power down' })).toBeUndefined()
})
