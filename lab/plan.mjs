import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {object} Job one command to run in the guest
 * @property {string} id a word
 * @property {string} directory in the guest
 * @property {string[]} command
 */

/** Huge pages of 2 MiB set aside in the guest. */
const hugePages = 8

/**
 * Writes the guest's first process and what it is to do.
 * @param {object} plan
 * @param {string} plan.token what its markers carry
 * @param {Job[]} plan.jobs
 * @param {readonly string[]} plan.modules what to load, in that order, each with its parameters
 * @param {import('./machine-kinds.mjs').Binding[]} plan.bindings
 * @param {number} plan.timeoutSeconds
 * @param {Record<string, string>} [plan.environment]
 * @param {boolean} [plan.shell] give the console a prompt once the jobs are done
 * @returns {import('./cpio.mjs').ArchiveEntry[]}
 */
export function planEntries(plan) {
  const { token, jobs, modules, bindings, timeoutSeconds, environment = {}, shell = false } = plan
  const variables = Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}`)
  const settings = [`TOKEN=${token}`, `HUGE_PAGES=${hugePages}`, `TIMEOUT=${timeoutSeconds}`, ...variables]
  const steps = jobs.map(
    ({ id, directory, command }) => `job ${id} ${quote(directory)} ${command.map(quote).join(' ')}`,
  )
  if (shell)
    steps.push('mark begin shell', 'cd /app; ENV=/lab/shell.sh setsid cttyhack sh', 'mark end shell 0')
  return [
    { path: '/init', data: readFileSync(join(import.meta.dirname, 'guest/init.sh')), executable: true },
    textEntry('/lab/settings.sh', settings),
    textEntry('/lab/modules', modules),
    textEntry(
      '/lab/bindings',
      bindings.map(({ device, driver, which }) => `${device} ${driver} ${which}`),
    ),
    textEntry('/lab/plan.sh', steps),
    // An orderly end would ask the first process, which is waiting for this very prompt.
    textEntry('/lab/shell.sh', ["alias poweroff='poweroff -f'"]),
    { path: '/proc' },
    { path: '/sys' },
    { path: '/dev' },
    { path: '/tmp' },
    { path: '/app' },
  ]
}

/** @param {string} path @param {readonly string[]} lines */
function textEntry(path, lines) {
  return { path, data: Buffer.from(lines.map((line) => `${line}\n`).join('')) }
}

/**
 * Quotes a word for the shell.
 * @param {string} word
 * @returns {string}
 */
export function quote(word) {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
