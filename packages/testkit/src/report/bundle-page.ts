import { createHash } from 'node:crypto'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'

/** What write-report.ts imports: no file has this name, it is made by one of the plugins below. */
const NAME = 'report-page'

/**
 * A report is one file, so its page's script and style are strings in the library. This makes them, for the build of the package and for
 * tests, which run on the sources. It is no part of the library.
 */
async function bundlePage(folder: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(folder, 'main.ts')],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    // The settings of the package are for Node.js.
    tsconfigRaw: {},
  })
  const style = await build({ entryPoints: [path.join(folder, 'page.css')], minify: true, write: false })
  const texts = { script: outputFiles[0]!.text.trim(), style: style.outputFiles[0]!.text.trim() }
  return Object.entries(texts)
    .flatMap(([name, text]) => [
      `export const ${name} = ${JSON.stringify(text)}`,
      `export const ${name}Hash = ${JSON.stringify(hashOf(text))}`,
    ])
    .join('\n')
}

/** As a Content-Security-Policy names it. */
function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`
}

/** For tsup. Its configuration is bundled before it runs, so that folders are given by whoever calls. */
export function pageForEsbuild(folder: string): Plugin {
  return {
    name: NAME,
    setup(setup) {
      setup.onResolve({ filter: /^report-page$/ }, () => ({ path: NAME, namespace: NAME }))
      setup.onLoad({ filter: /.*/, namespace: NAME }, async () => ({ contents: await bundlePage(folder) }))
    },
  }
}

/** For vitest. */
export function pageForVite(folder: string) {
  return {
    name: NAME,
    resolveId: (source: string) => (source === NAME ? `\0${NAME}` : undefined),
    load: (id: string) => (id === `\0${NAME}` ? bundlePage(folder) : undefined),
  }
}
