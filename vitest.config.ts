import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { pageForVite } from './packages/testkit/src/report/bundle-page.ts'

const source = (name: string) => fileURLToPath(new URL(`./packages/${name}/src/index.ts`, import.meta.url))

export default defineConfig({
  plugins: [pageForVite(fileURLToPath(new URL('./packages/testkit/src/report/page', import.meta.url)))],
  resolve: {
    // Tests run on the sources, so that a red test points at a line of TypeScript and needs no build.
    alias: ['native', 'core', 'pci', 'sg', 'vfio', 'uio', 'udmabuf', 'testkit'].map((name) => ({
      find: new RegExp(`^@linux-dma/${name}$`),
      replacement: source(name),
    })),
  },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'conformance/src/**/*.test.ts',
      'examples/*/src/**/*.test.ts',
      'lab/**/*.test.ts',
      'bench/**/*.test.ts',
      'scripts/*.test.ts',
      'docs/*.test.ts',
    ],
    testTimeout: 20_000,
  },
})
