import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it, type TestContext, vi } from 'vitest'
import { createFakeMachine } from '../machine'
import { checkAfter } from './check-after'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'linux-dma-reports-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true, force: true })
})

/** A test that ended, in two suites of a file. */
function ended(errors: readonly Error[] = []): TestContext['task'] {
  const file = { name: 'src/driver.test.ts', filepath: '/driver.test.ts', projectName: 'unit' }
  const suite = { name: 'a driver', suite: { name: 'when it starts', suite: { ...file } } }
  const result = { state: errors.length > 0 ? 'fail' : 'pass', errors }
  return { name: 'maps <all> of "it"', suite, file, result } as unknown as TestContext['task']
}

function leaking() {
  const machine = createFakeMachine()
  machine.kernel.memfd('forgotten', { byteLength: 4096 })
  return machine
}

it('finds nothing after a test that left all in order, and writes nothing', () => {
  expect(checkAfter(ended(), [createFakeMachine(), createFakeMachine()], directory)).toEqual([])
  expect(readdirSync(directory)).toEqual([])
})

it('prints where the report of a test is that left something open', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  const [leak, ...more] = checkAfter(ended(), [leaking()], directory)
  expect(leak).toMatchObject({ code: 'DMA_LEAK' })
  expect(more).toEqual([])
  const [name] = readdirSync(directory)
  expect(name).toMatch(/^src-driver\.test\.ts-when-it-starts-a-driver-maps-all-of-it-[0-9a-f]{8}\.html$/)
  expect(print.mock.calls).toEqual([
    [
      `src/driver.test.ts > when it starts > a driver > maps <all> of "it": see ${path.join(directory, name!)}`,
    ],
  ])
  expect(readFileSync(path.join(directory, name!), 'utf8')).toContain('/memfd:forgotten, opened at ')
})

it('writes one for each machine of a test that failed by itself', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  const found = checkAfter(
    ended([new Error('expected 1 to be 2')]),
    [createFakeMachine(), leaking()],
    directory,
  )
  expect(found).toHaveLength(1)
  expect(print.mock.calls.map(([line]) => /machine \d/.exec(line)?.[0])).toEqual(['machine 1', 'machine 2'])
  for (const name of readdirSync(directory)) {
    expect(readFileSync(path.join(directory, name), 'utf8')).toContain('expected 1 to be 2')
  }
})

it('writes none where none is wanted', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(checkAfter(ended(), [leaking()], false)).toHaveLength(1)
  expect(print).not.toHaveBeenCalled()
})

it('looks at the errors of this attempt alone', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(checkAfter(ended([new Error('at the first attempt')]), [createFakeMachine()], directory, 1)).toEqual(
    [],
  )
  expect(print).not.toHaveBeenCalled()
})

it('tells nothing of a test that was given up, and writes none of one that is to fail', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  const task = ended()
  expect(checkAfter({ ...task, result: { state: 'skip' } }, [leaking()], directory)).toEqual([])
  expect(checkAfter({ ...task, fails: true }, [leaking()], directory)).toHaveLength(1)
  expect(print).not.toHaveBeenCalled()
  expect(readdirSync(directory)).toEqual([])
})
