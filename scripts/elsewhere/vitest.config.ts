import { fileURLToPath } from 'node:url'
import { mergeConfig } from 'vitest/config'
import config from '../../vitest.config.ts'

export default mergeConfig(config, {
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    // A process each, since a thread shares its process with Vitest's own compiled code.
    pool: 'forks',
    // A browser is a program of this system.
    exclude: ['**/*.browser.test.ts'],
    // Nothing is measured here.
    testTimeout: 120_000,
    setupFiles: [fileURLToPath(new URL('./setup.ts', import.meta.url))],
  },
})
