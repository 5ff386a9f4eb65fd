import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/**
 * The folder with `include/node/node_api.h` of this machine's own Node.js, so that nothing is downloaded; undefined
 * where there is none (node-gyp then gets the headers itself).
 */
export function headersFolder(env = process.env, execPath = process.execPath) {
  const candidates = [env.npm_config_nodedir, resolve(execPath, '../..'), '/usr']
  return candidates.find((folder) => folder && existsSync(resolve(folder, 'include/node/node_api.h')))
}
