import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

const dayInMilliseconds = 24 * 60 * 60 * 1000

/**
 * Makes an empty directory that is removed when this process exits. One that a killed process left behind is removed a
 * day later, by whoever makes the next one.
 * @param {string} parent created if it is not there
 * @param {string} prefix of the directory's name
 * @returns {{ path: string, remove: () => void }} `remove` does so earlier
 */
export function makeScratchDirectory(parent, prefix) {
  mkdirSync(parent, { recursive: true })
  for (const name of readdirSync(parent)) {
    if (name.startsWith(prefix)) removeIfAbandoned(join(parent, name), name.slice(prefix.length))
  }
  const path = mkdtempSync(join(parent, `${prefix}${process.pid}-`))
  const remove = () => {
    process.off('exit', remove)
    rmSync(path, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return { path, remove }
}

/**
 * A process of that number may live in another container that shares the directory: only time tells.
 * @param {string} path
 * @param {string} suffix
 */
function removeIfAbandoned(path, suffix) {
  try {
    const old = Date.now() - statSync(path).mtimeMs > dayInMilliseconds
    if (old && !existsSync(`/proc/${Number.parseInt(suffix, 10)}`))
      rmSync(path, { recursive: true, force: true })
  } catch {
    // It is another user's, or was removed meanwhile.
  }
}
