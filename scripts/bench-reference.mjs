// The C side of the benchmarks: `npm run bench` and `npm run lab -- --run bench/lab.mjs` need it, and nothing else does.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { bin, root } from './steps.mjs'

/** Compiles the C side with the system's compiler and the headers of this machine's Node.js, where it is out of date. */
export function buildReference() {
  const folder = path.join(root, 'bench')
  const product = path.join(folder, 'build/Release/bench.node')
  const sources = readdirSync(path.join(folder, 'native')).map((name) => path.join(folder, 'native', name))
  const newest = Math.max(
    ...[...sources, path.join(folder, 'binding.gyp')].map((file) => statSync(file).mtimeMs),
  )
  if (existsSync(product) && statSync(product).mtimeMs > newest) return
  console.error('Compiling the C side of the benchmarks')
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
