import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { Apt, kernelSuite, unpackPackage } from './apt.mjs'
import { cached, inScratchDirectory } from './cache.mjs'
import { LabError } from './lab-error.mjs'

/** Debian's kernels for virtual machines: small, and with VFIO, UIO, udmabuf and dma-heaps in them. */
const packagePattern = '^linux-image-6[.][0-9.]+[^ ]*-cloud-amd64-unsigned$'

/**
 * @typedef {object} GuestKernel
 * @property {string} version as in `uname -r`
 * @property {string} image the file to boot
 * @property {string} modules the directory of its modules
 */

/**
 * Gives the kernel to boot: the one asked for, else the newest in the cache, else Debian's newest.
 * @param {string} cache
 * @param {{ packageFile?: string | undefined, update: boolean, say: (line: string) => void }} options
 * @returns {Promise<GuestKernel>}
 */
export async function findGuestKernel(cache, { packageFile, update, say }) {
  const directory = join(cache, 'kernels')
  mkdirSync(directory, { recursive: true })
  if (packageFile !== undefined) return kernelFromPackage(directory, resolve(packageFile))
  const newest = newestName(readdirSync(directory).filter((name) => name.startsWith('linux-image-')))
  if (newest && !update) return describe(join(directory, newest))
  return describe(await fetchKernel(cache, directory, say))
}

/** @param {string} cache @param {string} directory @param {(line: string) => void} say */
function fetchKernel(cache, directory, say) {
  return inScratchDirectory(join(cache, 'apt'), async (aptDirectory) => {
    const apt = new Apt(aptDirectory)
    say("looking for Debian's newest kernel")
    apt.update()
    const name = newestName(apt.search(packagePattern))
    if (!name)
      throw apt.notFound(
        `linux-image-6.*-cloud-amd64-unsigned, in ${kernelSuite} or the machine's own release`,
      )
    return cached(join(directory, name), (scratch) => {
      say(`fetching ${name} into the cache`)
      apt.unpack([name], join(scratch, 'entry'))
    })
  })
}

/** @param {string} directory @param {string} file */
async function kernelFromPackage(directory, file) {
  if (!existsSync(file)) throw new LabError(`--kernel: there is no ${file}`)
  const { size, mtimeMs } = statSync(file)
  // Not named linux-image-…: a kernel that was asked for once must not become everybody's newest.
  const name = `given-${basename(file, '.deb')}-${size}-${Math.floor(mtimeMs)}`
  return describe(
    await cached(join(directory, name), (scratch) => unpackPackage(file, join(scratch, 'entry'))),
  )
}

/** @param {string} root @returns {GuestKernel} */
function describe(root) {
  const boot = join(root, 'boot')
  const image = existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith('vmlinuz-')) : undefined
  if (!image) throw new LabError(`${root} holds no boot/vmlinuz-…`, { hint: `rm -r ${root}` })
  const version = image.slice('vmlinuz-'.length)
  const modules = ['lib/modules', 'usr/lib/modules'].map((path) => join(root, path, version)).find(existsSync)
  if (!modules) throw new LabError(`${root} holds no modules for ${version}`, { hint: `rm -r ${root}` })
  return { version, image: join(boot, image), modules }
}

/**
 * Picks the name with the highest version: numbers compare as numbers.
 * @param {string[]} names
 * @returns {string | undefined}
 */
export function newestName(names) {
  return [...names].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
}
