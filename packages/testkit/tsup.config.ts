import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'tsup'
import { library } from '../../tsup.base'
import { pageForEsbuild } from './src/report/bundle-page'

const entry = { index: 'src/index.ts', node: 'src/node/index.ts' }
const esbuildPlugins = [pageForEsbuild(fileURLToPath(new URL('src/report/page', import.meta.url)))]

// Two builds fill one folder: neither may empty it.
rmSync(new URL('dist', import.meta.url), { recursive: true, force: true })

export default defineConfig([
  { ...library, esbuildPlugins, entry, format: 'cjs', clean: false },
  // Vitest itself is ES modules only. What the entries share is in files of its own, so that each class is there once.
  {
    ...library,
    esbuildPlugins,
    entry: { ...entry, vitest: 'src/vitest/index.ts' },
    format: 'esm',
    clean: false,
  },
])
