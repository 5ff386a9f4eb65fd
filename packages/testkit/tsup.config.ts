import { fileURLToPath } from 'node:url'
import { defineConfig } from 'tsup'
import { library } from '../../tsup.base'
import { pageForEsbuild } from './src/report/bundle-page'

const esbuildPlugins = [pageForEsbuild(fileURLToPath(new URL('src/report/page', import.meta.url)))]

export default defineConfig({ ...library, esbuildPlugins })
