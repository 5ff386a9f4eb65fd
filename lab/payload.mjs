import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { libraries } from './initramfs.mjs'
import { listDependencies } from './workspace.mjs'

/** @typedef {import('./cpio.mjs').ArchiveEntry} ArchiveEntry */
/** @typedef {import('./workspace.mjs').Workspace} Workspace */

/** Commands of the packages that are on the guest's search path. */
const commands = [{ name: 'lsuio', of: '@linux-dma/uio', words: ['dist/lsuio.js', 'lsuio'] }]

/**
 * Lays out the built packages under /app as an installation would: published ones in /app/node_modules, the rooms that
 * use them (conformance, examples) at their own paths, found by name as well.
 * @param {Workspace[]} workspaces
 * @returns {ArchiveEntry[]}
 */
export function packagePayload(workspaces) {
  const built = workspaces.filter((workspace) => workspace.built)
  const packages = built.flatMap(({ name, path, directory }) => {
    const installed = `/app/node_modules/${name}`
    if (path.startsWith('packages/')) return packageFiles(directory, installed)
    return [...packageFiles(directory, `/app/${path}`), { path: installed, target: `/app/${path}` }]
  })
  const dependencies = listDependencies(built).flatMap(({ name, directory }) =>
    files(directory, `/app/node_modules/${name}`, (path) => !path.startsWith('node_modules/')),
  )
  const addons = built.flatMap(({ directory }) => listAddons(directory).map((path) => join(directory, path)))
  return [...packages, ...dependencies, ...libraries(addons), ...wrappers(built)]
}

/** @param {Workspace[]} built @returns {ArchiveEntry[]} */
function wrappers(built) {
  return commands
    .filter(({ of }) => built.some(({ name }) => name === of))
    .map(({ name, of, words: [program, ...words] }) => {
      const line = `exec /bin/node /app/node_modules/${of}/${program} ${words.join(' ')} "$@"`
      return { path: `/bin/${name}`, data: Buffer.from(`#!/bin/sh\n${line}\n`), executable: true }
    })
}

/** @param {string} directory @param {string} target @returns {ArchiveEntry[]} */
function packageFiles(directory, target) {
  const addons = new Set(listAddons(directory))
  return files(directory, target, (path) => {
    // Source maps come along: a stack trace from the guest names lines of TypeScript.
    if (path.startsWith('dist/')) return !/\.d\.[cm]?ts(\.map)?$/.test(path)
    return path === 'package.json' || addons.has(path)
  })
}

/**
 * The compiled addons this machine's node would load.
 * @param {string} directory
 * @returns {string[]} relative to the directory
 */
function listAddons(directory) {
  return ['build/Release', `prebuilds/linux-${process.arch}`].flatMap((folder) => {
    const path = join(directory, folder)
    if (!existsSync(path)) return []
    const names = readdirSync(path).filter((name) => name.endsWith('.node'))
    return names.map((name) => `${folder}/${name}`)
  })
}

/** Folders that are never part of what is installed, and may be very large. */
const skipped = new Set(['node_modules', '.turbo', 'obj.target', '.deps'])

/**
 * @param {string} directory
 * @param {string} target
 * @param {(path: string) => boolean} wanted
 * @returns {ArchiveEntry[]}
 */
function files(directory, target, wanted, prefix = '') {
  return readdirSync(join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = `${prefix}${entry.name}`
    if (entry.isDirectory())
      return skipped.has(entry.name) ? [] : files(directory, target, wanted, `${path}/`)
    return entry.isFile() && wanted(path)
      ? [{ path: `${target}/${path}`, data: readFileSync(join(directory, path)) }]
      : []
  })
}
