import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cached, prune } from './cache.mjs'
import { LabError, unavailable } from './lab-error.mjs'
import { findCommand, run } from './processes.mjs'

/** Each source is one program. */
const sourceFolder = join(import.meta.dirname, 'programs')

/** The guest has busybox and no C library. */
const compilerWords = [
  '-std=gnu11',
  '-O2',
  '-static',
  '-s',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-Werror',
]

/** How many builds the cache keeps: a few states of the sources. */
const keptBuilds = 3

/**
 * Gives the programs in C as files of the guest, from the cache if they are there.
 * @param {string} cache
 * @param {{ say: (line: string) => void }} options
 * @returns {Promise<import('./cpio.mjs').ArchiveEntry[]>}
 * @throws {LabError} with exit status 69 if there is no gcc; 125 if a source does not compile
 */
export async function buildPrograms(cache, { say }) {
  if (!findCommand('gcc')) {
    throw new LabError('this machine has programs in C, and to build them takes gcc', {
      hint: 'apt-get install gcc libc6-dev',
      exitStatus: unavailable,
    })
  }
  const files = readdirSync(sourceFolder).filter((name) => name.endsWith('.c'))
  const key = createHash('sha256').update(`${run('gcc', ['--version'])}${compilerWords.join(' ')}`)
  for (const name of files) key.update(`\n${name}\n`).update(readFileSync(join(sourceFolder, name)))

  const directory = join(cache, 'programs')
  const entry = await cached(join(directory, key.digest('hex').slice(0, 12)), (scratch) => {
    say('compiling the programs in C')
    mkdirSync(join(scratch, 'entry'))
    for (const name of files) {
      const target = join(scratch, 'entry', basename(name, '.c'))
      run('gcc', [...compilerWords, '-o', target, join(sourceFolder, name)], {
        hint: 'apt-get install libc6-dev, if it is the C library that is missing',
      })
    }
  })
  prune(directory, keptBuilds)
  return readdirSync(entry).map((name) => ({
    path: `/bin/${name}`,
    data: readFileSync(join(entry, name)),
    executable: true,
  }))
}
