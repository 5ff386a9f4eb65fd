import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cached, prune } from './cache.mjs'
import { missingLibraries } from './elf-libraries.mjs'
import { LabError, obtain, unavailable } from './lab-error.mjs'
import { applyEdits, dmaMemoryEdits, oldDmemEdits } from './module-edits.mjs'
import { findCommand, run } from './processes.mjs'
import { fetchPackages } from './tools.mjs'
import { findUioSource } from './uio-source.mjs'

/** The sources of our own. */
const ownSources = join(import.meta.dirname, 'modules')

/**
 * What is taken from the kernel's sources.
 * @type {readonly { from: string, to: string, edits: readonly import('./module-edits.mjs').Edit[] }[]}
 */
const kernelSources = [
  { from: 'uio_pdrv_genirq.c', to: 'uio_pdrv_genirq.c', edits: [] },
  { from: 'uio_dmem_genirq.c', to: 'uio_dmem_genirq.c', edits: [] },
  { from: 'uio_dmem_genirq.c', to: 'uio_dmem_genirq_old.c', edits: oldDmemEdits },
  { from: 'uio.c', to: 'dma-memory/uio.c', edits: dmaMemoryEdits },
]

/** The folders that are built, each on its own: what is in one is not linked against what another exports. */
const folders = ['.', 'dma-memory']

/** How many builds the cache keeps: a few kernels, a few states of the sources. */
const keptBuilds = 4

/**
 * Gives the kernel modules that Debian does not have, as files of the guest, from the cache if they are there.
 * @param {string} cache
 * @param {{ kernel: import('./guest-kernel.mjs').GuestKernel, busybox: string, say: (line: string) => void }} parts
 * @returns {Promise<import('./cpio.mjs').ArchiveEntry[]>}
 * @throws {LabError} with exit status 69 if headers, sources, gcc or make cannot be had; 125 if a source does not compile
 */
export async function buildModules(cache, { kernel, busybox, say }) {
  const { headers, version } = kernel
  if (!headers) {
    throw new LabError(`this machine needs kernel modules, and there are no headers for ${version}`, {
      hint: 'npm run lab -- --kernel linux-image-….deb --kernel linux-headers-….deb --kernel linux-kbuild-….deb …',
      exitStatus: unavailable,
    })
  }
  const uioSource = await obtain("the kernel's UIO drivers", 'bring the network up for the first run', () =>
    findUioSource(cache, { version, busybox, say }),
  )
  const sources = readSources(uioSource)
  const key = createHash('sha256').update(readFileSync(join(headers.build, 'Module.symvers')))
  key.update(compilerVersion())
  for (const { path, data } of sources) key.update(`${path} ${data.length}\n`).update(data)

  const directory = join(cache, 'modules')
  const entry = await cached(
    join(directory, `${version}-${key.digest('hex').slice(0, 12)}`),
    async (scratch) => {
      say(`building kernel modules for ${version}`)
      const environment = await findHeaderLibraries(cache, headers, say)
      await compile(sources, headers, scratch, environment)
    },
  )
  prune(directory, keptBuilds)
  return readdirSync(entry).map((name) => ({
    path: `/lib/modules/${name}`,
    data: readFileSync(join(entry, name)),
  }))
}

/** What compiles them: another compiler makes other modules. Empty where there is none, which is said once it is missed. */
function compilerVersion() {
  return findCommand('gcc') ? run('gcc', ['--version']) : ''
}

/**
 * @param {string} uioSource
 * @returns {{ path: string, data: Buffer }[]} paths within the folder they are built in
 */
function readSources(uioSource) {
  const own = readdirSync(ownSources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: file.slice(ownSources.length + 1), data: readFileSync(file) }))
  const kernels = kernelSources.map(({ from, to, edits }) => {
    const text = readFileSync(join(uioSource, from), 'utf8')
    return { path: to, data: Buffer.from(applyEdits(text, edits, from)) }
  })
  return [...own, ...kernels].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * @param {{ path: string, data: Buffer }[]} sources
 * @param {import('./guest-kernel.mjs').KernelHeaders} headers
 * @param {string} scratch what is built is in `scratch/entry` afterwards
 * @param {Record<string, string>} environment
 */
function compile(sources, headers, scratch, environment) {
  for (const command of ['make', 'gcc', 'strip']) {
    if (findCommand(command)) continue
    throw new LabError(`this machine needs kernel modules, and to build them takes ${command}`, {
      hint: 'apt-get install gcc make',
      exitStatus: unavailable,
    })
  }
  const build = join(scratch, 'build')
  const entry = join(scratch, 'entry')
  for (const folder of folders) mkdirSync(join(build, folder), { recursive: true })
  for (const { path, data } of sources) writeFileSync(join(build, path), data)
  mkdirSync(entry)
  for (const folder of folders) {
    const path = resolve(build, folder)
    // The headers' own Makefile names the place that Debian installs them in. Type information takes a tool more.
    const words = ['-f', join(headers.source, 'Makefile'), '-C', headers.build, `M=${path}`, 'CC=gcc']
    run('make', [...words, 'CONFIG_DEBUG_INFO_BTF_MODULES=', 'modules'], { environment })
    for (const name of readdirSync(path).filter((file) => file.endsWith('.ko'))) {
      run('strip', ['--strip-debug', '-o', join(entry, name), join(path, name)])
    }
  }
}

/**
 * What building modules runs comes compiled, and needs a library that a small machine may not have.
 * @param {string} cache
 * @param {import('./guest-kernel.mjs').KernelHeaders} headers
 * @param {(line: string) => void} say
 * @returns {Promise<Record<string, string>>} variables for the processes that build
 */
async function findHeaderLibraries(cache, { build }, say) {
  const programs = ['tools/objtool/objtool', 'tools/objtool/objtool.real-x86', 'scripts/mod/modpost']
  const present = programs.map((path) => join(build, path)).filter(existsSync)
  if (present.flatMap(missingLibraries).length === 0) return {}
  const root = await fetchPackages(cache, 'libelf1', say)
  const folders = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((path) => join(root, path))
  return { LD_LIBRARY_PATH: [...folders, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':') }
}
