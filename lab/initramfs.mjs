import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cached, prune } from './cache.mjs'
import { writeArchive } from './cpio.mjs'
import { listLibraries } from './elf-libraries.mjs'
import { LabError } from './lab-error.mjs'
import { stockModules } from './machine-kinds.mjs'

/** How many images of some 100 MB the cache keeps: a few versions of Node, and of kernels. */
const keptImages = 4

/**
 * Gives the part of the guest's first file system that changes seldom, from the cache if it is there: busybox, this
 * very node with its libraries, and modules that come with the kernel.
 * @param {string} cache
 * @param {{ kernel: import('./guest-kernel.mjs').GuestKernel, busybox: string }} parts
 * @returns {Promise<string>} a file to which another archive may be appended
 */
export async function baseImage(cache, { kernel, busybox }) {
  const directory = join(cache, 'images')
  const node = realpathSync(process.execPath)
  const key = createHash('sha256')
  for (const file of [node, busybox, kernel.image]) {
    const { size, mtimeMs } = statSync(file)
    key.update(`${file} ${size} ${mtimeMs}\n`)
  }
  key.update(`${kernel.modules}\n${stockModules.join('\n')}`)
  const name = `${kernel.version}-node-${process.versions.node}-${key.digest('hex').slice(0, 12)}.cpio`
  const path = await cached(join(directory, name), (scratch) => {
    const programs = [program('/bin/busybox', busybox), program('/bin/node', node)]
    const archive = writeArchive([
      ...programs,
      ...libraries([node, busybox]),
      ...modules(kernel.modules, busybox),
    ])
    // Not compressed: to unpack it would take the emulated processor two seconds of every run.
    writeFileSync(join(scratch, 'entry'), Buffer.concat(archive))
  })
  prune(directory, keptImages)
  return path
}

/**
 * The libraries some programs are loaded with, as files of the guest.
 * @param {string[]} files
 * @returns {import('./cpio.mjs').ArchiveEntry[]}
 */
export function libraries(files) {
  return [...new Set(files.flatMap(listLibraries))].map((path) => program(path, path))
}

/** @param {string} path @param {string} file @returns {import('./cpio.mjs').ArchiveEntry} */
function program(path, file) {
  return { path, data: readFileSync(file), executable: true }
}

/** @param {string} directory @param {string} busybox @returns {import('./cpio.mjs').ArchiveEntry[]} */
function modules(directory, busybox) {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return stockModules.map((name) => {
    const file = files.find((path) => [`${name}.ko`, `${name}.ko.xz`].includes(basename(path)))
    if (!file)
      throw new LabError(`this kernel has no module ${name}`, { hint: 'take a Debian kernel, 6.12 or later' })
    return { path: `/lib/modules/${name}.ko`, data: readModule(join(directory, file), busybox) }
  })
}

/** @param {string} file @param {string} busybox */
function readModule(file, busybox) {
  if (file.endsWith('.ko')) return readFileSync(file)
  const unpacked = spawnSync(busybox, ['unxz', '-c', file], { maxBuffer: 64 * 1024 * 1024 })
  if (unpacked.status !== 0) throw new LabError(`${file} could not be unpacked: ${unpacked.stderr}`)
  return unpacked.stdout
}
