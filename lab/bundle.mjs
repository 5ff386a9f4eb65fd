import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LabError } from './lab-error.mjs'
import { listLeftOut, scriptReferences } from './script-references.mjs'
import { repository } from './workspace.mjs'

/**
 * @typedef {object} BundledScript
 * @property {import('./cpio.mjs').ArchiveEntry[]} files in one folder: the script, then those that it names
 * @property {string[]} notes what is likely to be amiss
 */

/**
 * Turns a script of any of JavaScript's kinds into a file for the guest: what it imports by relative path or from other
 * packages is in it, the packages of this repository are left to be found in the guest. A script that it names, for a
 * worker or another process, becomes a file beside it.
 * @param {string} file
 * @returns {Promise<BundledScript>}
 */
export async function bundleScript(file) {
  // npm starts its scripts in the repository's folder and says where it was started itself.
  const places = [process.cwd(), process.env.INIT_CWD ?? '.'].map((directory) => resolve(directory, file))
  const path = places.find(existsSync)
  if (path === undefined) throw new LabError(`there is no ${places.at(-1)}`, { exitStatus: 2 })
  /** @type {Map<string, string>} */
  const names = new Map()
  const nameOf = (/** @type {string} */ source) => {
    const name = names.get(source) ?? freeName(source, new Set(names.values()))
    names.set(source, name)
    return name
  }
  nameOf(path)
  const files = []
  /** @type {Set<string>} */
  const bundled = new Set()
  // What a script names is added to the map, and comes up here in its turn.
  for (const [source, name] of names) {
    const { data, inputs } = await bundleOne(source, nameOf)
    files.push({ path: `/app/run/${name}`, data })
    for (const input of inputs) bundled.add(input)
  }
  return { files, notes: listLeftOut(bundled).map(noteOn) }
}

/** @param {{ path: string, by: string }} leftOut */
function noteOn({ path, by }) {
  const relation = relative(dirname(by), path)
  const name = relation.startsWith('.') ? relation : `./${relation}`
  const call =
    moduleFormat(by) === 'esm' ? `new URL('${name}', import.meta.url)` : `require.resolve('${name}')`
  return `${basename(path)}, which ${basename(by)} names, does not come with it: for a worker or another process, write ${call}`
}

/** @param {string} source @param {ReadonlySet<string>} taken */
function freeName(source, taken) {
  const ending = moduleFormat(source) === 'esm' ? 'mjs' : 'cjs'
  const stem = basename(source, extname(source))
  for (let number = 1; ; number += 1) {
    const name = `${stem}${number === 1 ? '' : `-${number}`}.${ending}`
    if (!taken.has(name)) return name
  }
}

/**
 * @param {string} path
 * @param {(path: string) => string} nameOf
 * @returns {Promise<{ data: Uint8Array, inputs: string[] }>} `inputs`: the absolute paths of what is in it
 */
async function bundleOne(path, nameOf) {
  const format = moduleFormat(path)
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node20',
    format,
    external: ['@linux-dma/*', '*.node'],
    // CommonJS that is bundled into a module asks for Node's own modules by a function that modules do not have.
    ...(format === 'esm' ? { banner: { js: requireForModules } } : {}),
    plugins: [scriptReferences(nameOf)],
    sourcemap: 'inline',
    // Its sources are named from here on, while it is run from elsewhere: an error is to say where they are.
    sourceRoot: `${pathToFileURL(process.cwd()).href}/`,
    logLevel: 'silent',
  })
  const [output] = result.outputFiles
  if (!output) throw new LabError(`${path} gives no output`)
  return { data: output.contents, inputs: Object.keys(result.metafile.inputs).map((input) => resolve(input)) }
}

/** No declaration: a script may well have a `require` of its own. */
const requireForModules =
  "import { createRequire as createRequireForBundle } from 'node:module'; globalThis.require ??= createRequireForBundle(import.meta.url);"

/** @param {import('esbuild').BuildOptions & { write: false, metafile: true }} options */
async function build(options) {
  const esbuild = await loadEsbuild()
  try {
    return await esbuild.build(options)
  } catch (error) {
    const errors = /** @type {import('esbuild').BuildFailure} */ (error).errors
    const lines = await esbuild.formatMessages(errors, { kind: 'error' })
    throw new LabError(`the script does not build:\n${lines.join('')}`, { exitStatus: 2, cause: error })
  }
}

/** tsup, which builds the packages, brings esbuild. @returns {Promise<typeof import('esbuild')>} */
async function loadEsbuild() {
  try {
    const tsup = createRequire(join(repository, 'package.json')).resolve('tsup')
    return createRequire(tsup)('esbuild')
  } catch (cause) {
    throw new LabError('esbuild is not installed', { hint: 'npm ci', cause })
  }
}

/**
 * Which kind of module a file is, by Node's own rule; TypeScript is ESM unless its name says otherwise.
 * @param {string} path absolute
 * @returns {'esm' | 'cjs'}
 */
export function moduleFormat(path) {
  const ending = extname(path)
  if (ending === '.cjs' || ending === '.cts') return 'cjs'
  if (ending !== '.js') return 'esm'
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json')
    if (existsSync(manifest))
      return JSON.parse(readFileSync(manifest, 'utf8')).type === 'module' ? 'esm' : 'cjs'
    if (directory === dirname(directory)) return 'cjs'
  }
}
