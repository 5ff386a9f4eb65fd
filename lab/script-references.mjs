import { existsSync, readFileSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'

/**
 * How a script names a file beside it, for a worker or another process: `new URL('./viewer.ts', import.meta.url)`, as
 * bundlers for the web know it, `import.meta.resolve('./viewer.ts')`, or in CommonJS `require.resolve('./viewer.cts')`.
 */
const reference =
  /(new URL\(\s*(?=(?:'[^'\n]*'|"[^"\n]*")\s*,\s*import\.meta\.url\b)|import\.meta\.resolve\(\s*|\brequire\.resolve\(\s*)(['"])(\.{1,2}\/[^'"\n]+\.[cm]?[jt]s)\2/g

/** Any literal that could be the name of a script. */
const scriptName = /(['"`])([^'"`\n]*[^'"`\n/]\.[cm]?[jt]s)\1/g

/**
 * Has the files that scripts name bundled too, and calls them by the names that they get.
 * @param {(path: string) => string} nameOf the name in the folder of the bundles; asking for it has the file bundled
 * @returns {import('esbuild').Plugin}
 */
export function scriptReferences(nameOf) {
  return {
    name: 'script-references',
    setup(build) {
      build.onLoad({ filter: /\.[cm]?[jt]s$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        const contents = text.replace(reference, (whole, call, quote, name) => {
          const target = findSource(resolve(dirname(path), name))
          return target ? `${call}${quote}./${nameOf(target)}${quote}` : whole
        })
        if (contents === text) return undefined
        return { contents, loader: /ts$/.test(extname(path)) ? 'ts' : 'js' }
      })
    },
  }
}

/**
 * Finds what TypeScript would: `viewer.js` may be the name of what `viewer.ts` becomes.
 * @param {string} path
 * @returns {string | undefined}
 */
function findSource(path) {
  return [path, path.replace(/js$/, 'ts')].find(existsSync)
}

/**
 * Finds scripts that are named in others, and did not come with them.
 * @param {ReadonlySet<string>} bundled the absolute paths of all that did
 * @returns {{ path: string, by: string }[]} each once
 */
export function listLeftOut(bundled) {
  /** @type {Map<string, string>} */
  const found = new Map()
  for (const by of bundled) {
    if (by.includes('/node_modules/') || !/\.[cm]?[jt]s$/.test(by)) continue
    for (const [, , name = ''] of readFileSync(by, 'utf8').matchAll(scriptName)) {
      // The folder may be in front of it: `${import.meta.dirname}/viewer.ts`, or __dirname + '/viewer.cts'.
      const path = resolve(dirname(by), name.replace(/^(.*\})?\/*/, ''))
      if (!bundled.has(path) && existsSync(path)) found.set(path, by)
    }
  }
  return [...found].map(([path, by]) => ({ path, by }))
}
