import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runnersPackage } from './downstream/runners.mjs'

interface Entry {
  version?: string
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')

describe.each(['../package-lock.json', './downstream/package-lock.json'])('%s', (file) => {
  const lock = JSON.parse(read(file)) as { packages: Record<string, Entry> }

  it('has the binaries of every platform, not only of the one it was written on', () => {
    // npm leaves out what it cannot fetch at that moment, and 'npm ci' then refuses the file, on every machine.
    const missing = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter((name) => !lock.packages[`node_modules/${name}`]),
    )
    expect(missing).toEqual([])
  })

  it('names no registry', () => {
    expect(read(file)).not.toMatch(/"resolved": "http/)
  })
})

it('the lock file of the downstream project is that of its test runners', () => {
  const lock = JSON.parse(read('./downstream/package-lock.json')) as { packages: Record<string, Entry> }
  const { devDependencies } = JSON.parse(runnersPackage()) as Entry
  expect(lock.packages['']?.devDependencies).toEqual(devDependencies)
})
