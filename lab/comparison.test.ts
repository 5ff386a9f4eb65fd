import { describe, expect, it } from 'vitest'
import { compare, count } from './comparison.mjs'

const suite = (status: number | undefined, ...results: object[]) => ({
  status,
  output: results.map((result) => `@@result ${JSON.stringify(result)}\n`).join(''),
  errors: '',
})
const passed = { name: 'a', ok: true }
const failed = { name: 'b', ok: false, error: 'why' }
const skipped = { name: 'c', ok: true, skipped: 'no device' }
const withResults = { hasResults: true }

describe('compare', () => {
  it('sets the same test on both kernels beside each other', () => {
    const rows = compare('suite', suite(0, passed), suite(1, passed, failed), withResults)
    expect(rows).toEqual([
      { name: 'a', fake: passed, real: passed },
      { name: 'b', fake: undefined, real: failed },
    ])
  })

  it('lets no test hide another of the same name', () => {
    const rows = compare('suite', suite(0, passed), suite(1, passed, { ...passed, ok: false }), withResults)
    expect(rows.map(({ name, real }) => [name, real?.ok])).toEqual([
      ['a', true],
      ['a (2)', false],
    ])
  })

  it.each([
    ['ended with a failure that no test reported', suite(1, passed)],
    ['gave no results', suite(0)],
    ['was cut off', suite(undefined, passed)],
    ['was cut off after a failure', suite(undefined, failed)],
    ['did not run', undefined],
  ])('fails a suite that %s', (_, outcome) => {
    const rows = compare('suite', suite(0, passed), outcome, withResults)
    expect(rows.find(({ name }) => name.startsWith('suite'))?.real?.ok).toBe(false)
  })

  it('judges an example by its exit status', () => {
    const outcome = (status: number) => ({ status, output: '', errors: 'no such device\n' })
    const [row] = compare('example', outcome(0), outcome(2), { hasResults: false })
    expect(row).toEqual({
      name: 'example',
      fake: { name: 'example', ok: true },
      real: { name: 'example', ok: false, error: 'exit status 2\nno such device' },
    })
  })
})

describe('count', () => {
  it('counts what failed on either kernel as failed, a skipped test apart', () => {
    const rows = compare(
      'suite',
      suite(1, { name: 'd', ok: true }, { name: 'e', ok: false, error: 'only here' }),
      suite(1, passed, failed, skipped, { name: 'e', ok: true }),
      withResults,
    )
    expect(count(rows)).toEqual({ passed: 1, failed: 2, skipped: 1 })
  })
})
