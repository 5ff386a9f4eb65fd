import { defineConfig } from 'tsup'
import { library } from '../tsup.base'

export default defineConfig({
  ...library,
  entry: {
    main: 'src/main.ts',
    family: 'src/family.ts',
    'cold-start': 'src/cold-start.ts',
    lab: 'src/lab/main.ts',
  },
  format: ['esm'],
  dts: false,
})
