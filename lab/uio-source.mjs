import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Apt } from './apt.mjs'
import { cached, inScratchDirectory } from './cache.mjs'
import { LabError } from './lab-error.mjs'
import { findCommand, run } from './processes.mjs'

/** Takes `drivers/uio` out of an archive within a package; bash, since every step has to succeed. */
const extract = `dpkg --fsys-tarfile "$1" | tar -xO --wildcards '*/linux-source-*.tar.xz' | $2 \\
  | tar -x -C "$3" --strip-components=3 --wildcards '*/drivers/uio/*.c'`

/**
 * Gives the folder of the kernel's UIO drivers, as Debian's package of sources has them. It is kept for a whole series
 * of kernels (6.12): they change little within one, and the package has 150 MB.
 * @param {string} cache
 * @param {{ version: string, busybox: string, say: (line: string) => void }} options `version` of the guest's kernel
 * @returns {Promise<string>}
 */
export function findUioSource(cache, { version, busybox, say }) {
  const series = kernelSeries(version)
  return cached(join(cache, 'sources', `uio-${series}`), async (scratch) => {
    const entry = join(scratch, 'entry')
    mkdirSync(entry)
    const xz = findCommand('xz')
    await inScratchDirectory(join(cache, 'apt'), (directory) => {
      const apt = new Apt(directory)
      const name = `linux-source-${series}`
      apt.update()
      if (apt.search(`^${name}$`).length === 0) throw apt.notFound(`package ${name}`)
      say(`fetching ${name} (150 MB), of which the cache keeps drivers/uio`)
      const [file] = apt.download([name])
      if (file === undefined) throw apt.notFound(`package ${name}`)
      const words = [file, xz ? `${xz} -dc` : `${busybox} unxz -c`, entry]
      run('bash', ['-o', 'pipefail', '-c', extract, 'extract', ...words])
    })
  })
}

/**
 * @param {string} version as in `uname -r`
 * @returns {string} as in `6.12`
 */
export function kernelSeries(version) {
  const series = /^\d+\.\d+/.exec(version)?.[0]
  if (series === undefined) throw new LabError(`'${version}' is no version of Linux`)
  return series
}
