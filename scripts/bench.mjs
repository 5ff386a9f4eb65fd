// npm run bench: what the packages cost, beside C that does the same work in the same process.
//   --json FILE      also write the rows to FILE: [{ name, unit, ours, c, ratio, runs }]
//   --only PATTERN   only rows whose name matches this regular expression
//   --quick          fewer pairs, shorter runs
//   --long           a minute where others take ten seconds
//   --gate           fail where a goal is missed
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bin, build, buildAddon, ensureDependencies, root } from './steps.mjs'

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

/** Compiles the C side with the system's compiler and the headers of this machine's Node.js, where it is out of date. */
function buildReference() {
  const folder = path.join(root, 'bench')
  const product = path.join(folder, 'build/Release/bench.node')
  const sources = readdirSync(path.join(folder, 'native')).map((name) => path.join(folder, 'native', name))
  const newest = Math.max(
    ...[...sources, path.join(folder, 'binding.gyp')].map((file) => statSync(file).mtimeMs),
  )
  if (existsSync(product) && statSync(product).mtimeMs > newest) return
  rmSync(path.join(folder, 'build'), { recursive: true, force: true })
  const env = { ...process.env }
  const headers = [env.npm_config_nodedir, path.resolve(process.execPath, '../..'), '/usr'].find(
    (candidate) => candidate && existsSync(path.join(candidate, 'include/node/node_api.h')),
  )
  // An absent setting is not an empty one: node-gyp would take that for a folder.
  delete env.npm_config_nodedir
  if (headers) env.npm_config_nodedir = headers
  const { status, stderr } = spawnSync(bin('node-gyp'), ['rebuild'], { cwd: folder, env, encoding: 'utf8' })
  if (status === 0) return
  console.error(stderr)
  console.error(
    'the C side did not compile: it needs a C compiler, make and Python (apt-get install build-essential python3)',
  )
  process.exit(1)
}
