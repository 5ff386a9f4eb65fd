import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Entry {
  version?: string
  optionalDependencies?: Record<string, string>
}

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Entry>
}

describe('package-lock.json', () => {
  it('has the binaries of every platform, not only of the one it was written on', () => {
    // npm leaves out what it cannot fetch at that moment, and 'npm ci' then refuses the file, on every machine.
    const missing = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter((name) => !lock.packages[`node_modules/${name}`]),
    )
    expect(missing).toEqual([])
  })

  it('names no registry', () => {
    expect(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')).not.toMatch(
      /"resolved": "http/,
    )
  })
})
