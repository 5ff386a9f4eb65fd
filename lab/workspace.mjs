import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * @typedef {object} Workspace one package of the repository
 * @property {string} name as in its package.json
 * @property {string} path relative to the repository, as in `packages/core`
 * @property {string} directory absolute
 * @property {{ name: string, main?: string, dependencies?: Record<string, string> }} manifest
 * @property {boolean} built whether it has a dist folder
 */

/**
 * Lists the packages named by the root package.json, in its order.
 * @param {string} root the repository
 * @returns {Workspace[]}
 */
export function listWorkspaces(root) {
  /** @type {{ workspaces?: string[] }} */
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const paths = (manifest.workspaces ?? []).flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern]
    const parent = join(root, pattern.slice(0, -2))
    return existsSync(parent) ? readdirSync(parent).map((name) => `${pattern.slice(0, -1)}${name}`) : []
  })
  return paths
    .filter((path) => existsSync(join(root, path, 'package.json')))
    .map((path) => readWorkspace(root, path))
}

/** @param {string} root @param {string} path @returns {Workspace} */
function readWorkspace(root, path) {
  const directory = join(root, path)
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  return { name: manifest.name, path, directory, manifest, built: existsSync(join(directory, 'dist')) }
}

/**
 * Finds the folders of the published packages that the given ones need at run time, and that are not of the repository.
 * @param {Workspace[]} workspaces
 * @returns {{ name: string, directory: string }[]}
 */
export function listDependencies(workspaces) {
  const own = new Set(workspaces.map(({ name }) => name))
  /** @type {Map<string, string>} */
  const found = new Map()
  const pending = workspaces.map(({ directory, manifest }) => ({ directory, manifest }))
  for (const { directory, manifest } of pending) {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (own.has(name) || found.has(name)) continue
      const folder = resolvePackage(name, directory)
      if (!folder) continue
      found.set(name, folder)
      pending.push({
        directory: folder,
        manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
      })
    }
  }
  return [...found].map(([name, directory]) => ({ name, directory }))
}

/** @param {string} name @param {string} from a directory @returns {string | undefined} */
function resolvePackage(name, from) {
  const places = createRequire(join(from, 'package.json')).resolve.paths(name) ?? []
  const place = places.find((directory) => existsSync(join(directory, name, 'package.json')))
  return place && join(place, name)
}

/**
 * Finds a program of a package: `dist/NAME` with any of JavaScript's endings.
 * @param {string} directory
 * @param {string[]} names in order of preference
 * @returns {string | undefined} relative to the directory
 */
export function findProgram(directory, names) {
  return names
    .flatMap((name) => ['mjs', 'js', 'cjs'].map((ending) => `dist/${name}.${ending}`))
    .find((path) => existsSync(join(directory, path)))
}

/** The repository this file belongs to. */
export const repository = dirname(import.meta.dirname)
