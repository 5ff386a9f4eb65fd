import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import { afterAll } from 'vitest'

const entry = new URL('../src/index.ts', import.meta.url)

/**
 * The sources as one module that plain Node.js can import, for child processes and workers; gone when the test file
 * that asked for it is done.
 */
export function bundleKernel(): string {
  const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const outfile = join(folder, 'kernel.mjs')
  buildSync({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    // The addon is found from where the sources are.
    define: { 'import.meta.url': JSON.stringify(entry.href) },
  })
  return pathToFileURL(outfile).href
}

/** Runs a module of its own in a child process; `kernel`, `constants` and `assert` are at hand. */
export function runScript(
  bundle: string,
  code: string,
  {
    shell,
    nodeOptions = [],
    env = {},
  }: { shell?: string; nodeOptions?: string[]; env?: Record<string, string> } = {},
): SpawnSyncReturns<string> {
  const script = `
    import assert from 'node:assert/strict'
    import * as native from '${bundle}'
    import * as workers from 'node:worker_threads'
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const codeOf = (call) => { try { call() } catch (error) { return error.code } }
    const kernel = native.linuxKernel()
    ${code}`
  const node = [process.execPath, ...nodeOptions, '--input-type=module', '--eval', script]
  const [command, ...args] = shell === undefined ? node : ['sh', '-c', `${shell} && exec "$@"`, 'sh', ...node]
  return spawnSync(command!, args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
}
