import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeScratchDirectory } from './scratch.mjs'

/** Longer than any run: what one has been given is not taken away by another that runs meanwhile. */
const hourInMilliseconds = 60 * 60 * 1000

/** The lab's cache: `linux-dma/lab` under `$XDG_CACHE_HOME`, else under `~/.cache`. */
export function cacheDirectory() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'linux-dma', 'lab')
}

/**
 * Gives the path of a cache entry, building it if it is not there. It is built beside its place and renamed into it,
 * so an entry that exists is whole: a download that broke off or a killed build leaves nothing behind in its place.
 * It is marked as used now: {@link prune} leaves it for as long as a run may need it.
 * @param {string} path absolute
 * @param {(scratch: string) => void | Promise<void>} build fills `scratch`, an empty directory; what is at
 *   `scratch/entry` afterwards (a file or a directory) becomes the entry
 * @returns {Promise<string>} `path`
 */
export async function cached(path, build) {
  if (touch(path)) return path
  await inScratchDirectory(dirname(path), async (scratch) => {
    await build(scratch)
    try {
      renameSync(join(scratch, 'entry'), path)
    } catch (error) {
      // Another lab, started at the same time, may have finished first: its entry is as good as ours.
      if (!existsSync(path)) throw error
    }
  })
  touch(path)
  return path
}

/** @param {string} path @returns {boolean} whether there is such an entry */
function touch(path) {
  const now = new Date()
  try {
    utimesSync(path, now, now)
    return true
  } catch (error) {
    if (existsSync(path)) throw error
    return false
  }
}

/**
 * Runs `work` with a fresh directory under `parent`, removed afterwards.
 * @template T
 * @param {string} parent
 * @param {(scratch: string) => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inScratchDirectory(parent, work) {
  const { path, remove } = makeScratchDirectory(parent, '.scratch-')
  try {
    return await work(path)
  } finally {
    remove()
  }
}

/**
 * Removes all but the `keep` entries of a directory that were used last, and what was used within the hour.
 * @param {string} directory
 * @param {number} keep
 */
export function prune(directory, keep) {
  const entries = readdirSync(directory)
    .filter((name) => !name.startsWith('.'))
    .map((name) => join(directory, name))
    .map((path) => ({ path, used: lastUse(path) }))
    .sort((a, b) => b.used - a.used)
  for (const { path } of entries.slice(keep)) {
    if (Date.now() - lastUse(path) > hourInMilliseconds) rmSync(path, { recursive: true, force: true })
  }
}

/** @param {string} path @returns {number} milliseconds; 0 where another run has removed it meanwhile */
function lastUse(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
