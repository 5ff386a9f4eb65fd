// npm run bench: what the packages cost, beside C that does the same work in the same process.
//   --json FILE      also write the rows to FILE: [{ name, unit, ours, c, ratio, runs }]
//   --only PATTERN   only rows whose name matches this regular expression
//   --quick          fewer pairs, shorter runs
//   --long           a minute where others take ten seconds
//   --gate           fail where a goal is missed
import { parseArgs } from 'node:util'
import { buildReference } from './bench-reference.mjs'
import { build, buildAddon, ensureDependencies } from './steps.mjs'

const { values: options } = readOptions()
ensureDependencies()
build('@linux-dma/bench')
buildAddon()
buildReference()
const { main } = await import('../bench/dist/main.js')
process.exitCode = await main(options)

function readOptions() {
  try {
    return parseArgs({
      options: {
        json: { type: 'string' },
        only: { type: 'string' },
        quick: { type: 'boolean' },
        long: { type: 'boolean' },
        gate: { type: 'boolean' },
      },
    })
  } catch (error) {
    console.error(error.message)
    console.error('npm run bench -- [--json FILE] [--only PATTERN] [--quick] [--long] [--gate]')
    process.exit(2)
  }
}
