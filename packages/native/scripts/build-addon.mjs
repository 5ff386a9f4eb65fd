// Builds the addon: the file that is shipped (prebuilds/), and what the tests use (build/Release, build/Faults).
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { headersFolder } from './headers.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const env = { ...process.env }
const headers = headersFolder(env)
// An absent setting is not an empty one: node-gyp would take that for a folder.
delete env.npm_config_nodedir
if (headers !== undefined) env.npm_config_nodedir = headers

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

// prebuildify empties build/, so it goes first. A target is named always: else it downloads the oldest one's headers.
run('npx', 'prebuildify', '--napi', '--strip', '-t', '20.20.2')
run('npx', 'node-gyp', 'rebuild', '--', '-Dfaults=1')
// make leaves a second copy beside the real one, where a loader could take it for the addon.
rmSync(join(root, 'build/Release/linux_dma_faults.node'), { force: true })
run(process.execPath, 'scripts/check-prebuild.mjs')
