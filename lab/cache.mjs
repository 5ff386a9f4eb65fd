import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeScratchDirectory } from './scratch.mjs'

/** The lab's cache: `linux-dma/lab` under `$XDG_CACHE_HOME`, else under `~/.cache`. */
export function cacheDirectory() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'linux-dma', 'lab')
}

/**
 * Gives the path of a cache entry, building it if it is not there. It is built beside its place and renamed into it,
 * so an entry that exists is whole: a download that broke off or a killed build leaves nothing behind in its place.
 * @param {string} path absolute
 * @param {(scratch: string) => void | Promise<void>} build fills `scratch`, an empty directory; what is at
 *   `scratch/entry` afterwards (a file or a directory) becomes the entry
 * @returns {Promise<string>} `path`
 */
export async function cached(path, build) {
  if (existsSync(path)) return path
  await inScratchDirectory(dirname(path), async (scratch) => {
    await build(scratch)
    try {
      renameSync(join(scratch, 'entry'), path)
    } catch (error) {
      // Another lab, started at the same time, may have finished first: its entry is as good as ours.
      if (!existsSync(path)) throw error
    }
  })
  return path
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
 * Removes all but the `keep` entries of a directory that were changed last.
 * @param {string} directory
 * @param {number} keep
 */
export function prune(directory, keep) {
  const entries = readdirSync(directory)
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ path: join(directory, name), changed: statSync(join(directory, name)).mtimeMs }))
    .sort((a, b) => b.changed - a.changed)
  for (const { path } of entries.slice(keep)) rmSync(path, { recursive: true, force: true })
}
