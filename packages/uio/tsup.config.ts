import { defineConfig } from 'tsup'
import { library } from '../../tsup.base'

export default defineConfig([
  library,
  // The command for people, which nobody imports.
  { ...library, entry: { lsuio: 'src/cli/main.ts' }, format: ['esm'], dts: false, clean: false },
])
