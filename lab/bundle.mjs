import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { LabError } from './lab-error.mjs'
import { repository } from './workspace.mjs'

/**
 * Turns a script of any of JavaScript's kinds into one file for the guest: what it imports by relative path or from
 * other packages comes with it, the packages of this repository are left to be found in the guest.
 * @param {string} file
 * @returns {Promise<import('./cpio.mjs').ArchiveEntry>}
 */
export async function bundleScript(file) {
  // npm starts its scripts in the repository's folder and says where it was started itself.
  const places = [process.cwd(), process.env.INIT_CWD ?? '.'].map((directory) => resolve(directory, file))
  const path = places.find(existsSync)
  if (path === undefined) throw new LabError(`there is no ${places.at(-1)}`, { exitStatus: 2 })
  const format = moduleFormat(path)
  const name = `${basename(path, extname(path))}.${format === 'esm' ? 'mjs' : 'cjs'}`
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format,
    external: ['@linux-dma/*', '*.node'],
    // CommonJS that is bundled into a module asks for Node's own modules by a function that modules do not have.
    ...(format === 'esm' ? { banner: { js: requireForModules } } : {}),
    sourcemap: 'inline',
    logLevel: 'silent',
  })
  const [output] = result.outputFiles
  if (!output) throw new LabError(`${path} gives no output`)
  return { path: `/app/run/${name}`, data: output.contents }
}

/** No declaration: a script may well have a `require` of its own. */
const requireForModules =
  "import { createRequire as createRequireForBundle } from 'node:module'; globalThis.require ??= createRequireForBundle(import.meta.url);"

/** @param {import('esbuild').BuildOptions & { write: false }} options */
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
