import type { Options } from 'tsup'

/** The one build shape of every published package: ESM and CommonJS, a declaration file for each. */
export const library: Options = {
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  dts: true,
  clean: true,
  sourcemap: true,
  treeshake: true,
  shims: true,
  // 'node:test' exists only under its prefix.
  removeNodeProtocol: false,
}
