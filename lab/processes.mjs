import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { LabError } from './lab-error.mjs'

/**
 * Finds a command on the search path. The system's own directories are searched too: an ordinary user's path may lack
 * /sbin.
 * @param {string} name
 * @returns {string | undefined} its absolute path
 */
export function findCommand(name) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  for (const directory of directories) {
    if (!directory) continue
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this directory.
    }
  }
  return undefined
}

/**
 * Runs a command to its end and returns its standard output.
 * @param {string} command
 * @param {string[]} words
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {Record<string, string>} [options.environment] variables beside those of this process
 * @param {string} [options.hint]
 * @param {(status: number) => boolean} [options.accept]
 * @returns {string}
 * @throws {LabError} with the end of what it wrote to standard error, if it fails
 */
export function run(command, words, options = {}) {
  const { cwd, environment, hint, accept = (status) => status === 0 } = options
  const result = spawnSync(command, words, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...environment, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (result.error) throw new LabError(`${command}: ${result.error.message}`, { hint, cause: result.error })
  if (result.status === null || !accept(result.status)) {
    const tail = result.stderr.trimEnd().split('\n').slice(-8).join('\n  ')
    throw new LabError(
      `${command} ${words.join(' ')} failed (${result.status ?? result.signal}):\n  ${tail}`,
      { hint },
    )
  }
  return result.stdout
}
