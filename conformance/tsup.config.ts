import { defineConfig } from 'tsup'
import { library } from '../tsup.base'

export default defineConfig({
  ...library,
  entry: ['src/fake.ts', 'src/real.ts', 'src/scenario.ts', 'src/fuzz.ts'],
  format: ['esm'],
  dts: false,
})
