import { expect, it } from 'vitest'
import { families } from '../conformance/src/fuzz/families'
import { fuzzedMachines } from './suite.mjs'

it('runs the fuzzer on every machine that one of its families needs', () => {
  expect([...fuzzedMachines].sort()).toEqual(
    [...new Set(families.map(({ machineKind }) => machineKind))].sort(),
  )
})
