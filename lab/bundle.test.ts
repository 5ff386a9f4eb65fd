import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { bundleScript } from './bundle.mjs'

const scratch = mkdtempSync(join(tmpdir(), 'linux-dma-bundle-'))
afterAll(() => rmSync(scratch, { recursive: true }))

it.each([
  ['none', ''],
  [
    'one of its own',
    "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\nrequire('node:os')\n",
  ],
])('bundles CommonJS that requires modules of Node.js into a module with a require: %s', async (_, own) => {
  writeFileSync(join(scratch, 'dependency.cjs'), "exports.format = require('util').format")
  const script = join(scratch, 'script.ts')
  writeFileSync(script, `${own}import { format } from './dependency.cjs'\nconsole.log(format('%d', 7))\n`)
  const { path, data } = await bundleScript(script)
  const program = join(scratch, path.replaceAll('/', '-'))
  writeFileSync(program, data!)
  expect(execFileSync(process.execPath, [program], { encoding: 'utf8' })).toBe('7\n')
})
