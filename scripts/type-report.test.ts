import { expect, it } from 'vitest'
import { typeReport } from './type-report.mjs'

it('names the files whose types are right', () => {
  expect(typeReport(0, ['/home/me/driver.ts', '/home/me/other.mts'])).toBe(
    'the types are right: driver.ts, other.mts',
  )
})

it('leaves what is wrong to the compiler', () => {
  expect(typeReport(2, ['/home/me/driver.ts'])).toBeUndefined()
})
