// npm start: sets up what is missing, then runs the example driver. Arguments go to the driver:
//   npm start                          on a fake device: needs no Linux, no root and no compiler
//   npm start -- --vfio 0000:00:04.0   on a real one
import path from 'node:path'
import { build, buildAddon, ensureDependencies, root, run } from './steps.mjs'

const args = process.argv.slice(2)
ensureDependencies()
build('@linux-dma/example-edu-driver')
if (args.some((arg) => arg.startsWith('--vfio'))) buildAddon()
process.exit(run(process.execPath, [path.join(root, 'examples/edu-driver/dist/main.js'), ...args]))
