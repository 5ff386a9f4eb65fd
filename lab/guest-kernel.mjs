import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Apt, kernelSuite, unpackPackage } from './apt.mjs'
import { cached, inScratchDirectory } from './cache.mjs'
import { LabError } from './lab-error.mjs'

/** @typedef {import('./machine-kinds.mjs').Flavour} Flavour */

/**
 * The names of Debian's kernels of a flavour. Both have VFIO, UIO, udmabuf and dma-heaps.
 * @type {Readonly<Record<Flavour, RegExp>>}
 */
const versions = {
  'cloud-amd64': /^6[.][0-9.]+[^ ]*-cloud-amd64$/,
  // Without the flavours that have another word before it.
  amd64: /^6[.][0-9.]+[^ -]*-amd64$/,
}

/**
 * @typedef {object} GuestKernel
 * @property {string} version as in `uname -r`
 * @property {string} image the file to boot
 * @property {string} modules the directory of its modules
 * @property {KernelHeaders | undefined} headers undefined where a kernel was given without them
 */

/**
 * @typedef {object} KernelHeaders what modules for a kernel are built with
 * @property {string} build the directory of its configuration
 * @property {string} source the directory of what all of its configurations share
 */

/**
 * Gives the kernel to boot: the one asked for, else the newest in the cache, else Debian's newest.
 * @param {string} cache
 * @param {Pick<import('./arguments.mjs').LabOptions, 'kernelPackages' | 'update'> & { flavour: Flavour }} options
 * @param {(line: string) => void} say
 * @returns {Promise<GuestKernel>}
 */
export async function findGuestKernel(cache, { kernelPackages, update, flavour }, say) {
  const directory = join(cache, 'kernels')
  mkdirSync(directory, { recursive: true })
  const given = kernelPackages.map((file) => resolve(file))
  if (given.length > 0) return kernelFromPackages(directory, given)
  const newest = newestName(kernelsOf(flavour, readdirSync(directory), 'kernel-'))
  if (newest && !update) return describe(join(directory, newest))
  const kernel = describe(await fetchKernel(cache, flavour, directory, say))
  removeKernelsWithoutHeaders(directory)
  return kernel
}

/** @param {string} cache @param {Flavour} flavour @param {string} directory @param {(line: string) => void} say */
function fetchKernel(cache, flavour, directory, say) {
  return inScratchDirectory(join(cache, 'apt'), async (aptDirectory) => {
    const apt = new Apt(aptDirectory)
    say("looking for Debian's newest kernel")
    apt.update()
    const found = apt.search(`^linux-image-6[.].*-${flavour}-unsigned$`)
    const name = newestName(kernelsOf(flavour, found, 'linux-image-', '-unsigned'))
    if (!name)
      throw apt.notFound(
        `linux-image-6.*-${flavour}-unsigned, in ${kernelSuite} or the machine's own release`,
      )
    const version = name.replace(/^linux-image-|-unsigned$/g, '')
    return cached(join(directory, `kernel-${version}`), (scratch) => {
      say(`fetching ${name} and its headers into the cache`)
      apt.unpack([name, ...headerPackages(apt, version)], join(scratch, 'entry'))
    })
  })
}

/**
 * What modules for a kernel are built with. It is fetched with the kernel: a suite has it for its newest kernels only.
 * @param {Apt} apt
 * @param {string} version
 */
function headerPackages(apt, version) {
  const name = `linux-headers-${version}`
  if (apt.search(`^${name.replaceAll(/[.+]/g, '[$&]')}$`).length === 0) throw apt.notFound(`package ${name}`)
  return [name, ...apt.dependencies(name).filter((other) => /^linux-(headers-.*-common|kbuild-)/.test(other))]
}

/** Where the lab kept kernels before it built modules for them. @param {string} directory */
function removeKernelsWithoutHeaders(directory) {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('linux-image-')) rmSync(join(directory, name), { recursive: true, force: true })
  }
}

/** @param {string} directory @param {string[]} files */
async function kernelFromPackages(directory, files) {
  const missing = files.find((file) => !existsSync(file))
  if (missing !== undefined) throw new LabError(`--kernel: there is no ${missing}`)
  const key = createHash('sha256')
  for (const file of files) {
    const { size, mtimeMs } = statSync(file)
    key.update(`${file} ${size} ${mtimeMs}\n`)
  }
  // Not named kernel-…: one that was asked for once must not become everybody's newest.
  const name = `given-${key.digest('hex').slice(0, 12)}`
  return describe(
    await cached(join(directory, name), (scratch) => {
      for (const file of files) unpackPackage(file, join(scratch, 'entry'))
    }),
  )
}

/** @param {string} root @returns {GuestKernel} */
function describe(root) {
  const boot = join(root, 'boot')
  const image = existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith('vmlinuz-')) : undefined
  if (!image) throw new LabError(`${root} holds no boot/vmlinuz-…`, { hint: `rm -r ${root}` })
  const version = image.slice('vmlinuz-'.length)
  const modules = ['lib/modules', 'usr/lib/modules']
    .map((path) => join(root, path, version, 'kernel'))
    .find(existsSync)
  if (!modules) throw new LabError(`${root} holds no modules for ${version}`, { hint: `rm -r ${root}` })
  return { version, image: join(boot, image), modules, headers: findHeaders(root, version) }
}

/** @param {string} root @param {string} version @returns {KernelHeaders | undefined} */
function findHeaders(root, version) {
  const sources = join(root, 'usr/src')
  const build = join(sources, `linux-headers-${version}`)
  if (!existsSync(join(build, 'Module.symvers'))) return undefined
  const common = readdirSync(sources).find((name) => /^linux-headers-.*-common$/.test(name))
  return common === undefined ? undefined : { build, source: join(sources, common) }
}

/**
 * Picks the names that are of a flavour.
 * @param {Flavour} flavour
 * @param {readonly string[]} names
 * @param {string} before what stands before the version
 * @param {string} [after] and behind it
 * @returns {string[]}
 */
export function kernelsOf(flavour, names, before, after = '') {
  return names.filter(
    (name) =>
      name.startsWith(before) &&
      name.endsWith(after) &&
      versions[flavour].test(name.slice(before.length, name.length - after.length)),
  )
}

/**
 * Picks the name with the highest version: numbers compare as numbers.
 * @param {string[]} names
 * @returns {string | undefined}
 */
export function newestName(names) {
  return [...names].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
}
