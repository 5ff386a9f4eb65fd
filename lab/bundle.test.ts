import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
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
  expect(await run(script)).toEqual({ output: '7\n', notes: [] })
})

it('says of an error which line of which file it came from', async () => {
  const text = 'interface Nothing {\n  readonly of: string\n}\nconsole.log(new Error().stack)\n'
  const script = write('fails.ts', text)
  expect((await run(script)).output).toContain(`${script}:4:13`)
})

/** Bundles a script and runs it as the guest would. */
async function run(script: string) {
  const { files, notes } = await bundleScript(script)
  const folder = mkdtempSync(join(scratch, 'run-'))
  for (const { path, data } of files) writeFileSync(join(folder, basename(path)), data!)
  const program = join(folder, basename(files[0]!.path))
  return {
    output: execFileSync(process.execPath, ['--enable-source-maps', program], { encoding: 'utf8' }),
    notes,
  }
}

function write(name: string, text: string) {
  writeFileSync(join(scratch, name), text)
  return join(scratch, name)
}

describe('a script that names another', () => {
  const thread = (name: string) => `import { Worker } from 'node:worker_threads'\nnew Worker(${name})\n`
  const worker = "const text: string = 'from the worker'\nconsole.log(text)\n"

  it.each([
    "new URL('./worker.ts', import.meta.url)",
    'new URL(\n  "./worker.js",\n  import.meta.url,\n)',
    "new URL(import.meta.resolve('./worker.ts'))",
  ])('finds it beside it: %j', async (name) => {
    write('worker.ts', worker)
    const script = write('starts-worker.ts', thread(name))
    expect(await run(script)).toEqual({ output: 'from the worker\n', notes: [] })
  })

  it('finds it from CommonJS, and is told how there', async () => {
    write('worker.cts', worker)
    const start = "const { Worker } = require('node:worker_threads')\nnew Worker"
    const script = write('starts-worker.cts', `${start}(require.resolve('./worker.cts'))\n`)
    expect(await run(script)).toEqual({ output: 'from the worker\n', notes: [] })
    const { notes } = await bundleScript(write('by-name.cts', `${start}(__dirname + '/worker.cts')\n`))
    expect(notes).toEqual([expect.stringMatching(/, write require\.resolve\('\.\/worker\.cts'\)$/)])
  })

  it('finds those of the same name in several folders, and what they name themselves', async () => {
    mkdirSync(join(scratch, 'inner'), { recursive: true })
    write('inner/pair.ts', 'console.log(1)\n')
    write('inner/middle.ts', thread("new URL('../pair.ts', import.meta.url)"))
    write('pair.ts', thread("new URL('./inner/pair.ts', import.meta.url)"))
    const script = write('outer.ts', thread("new URL('./inner/middle.ts', import.meta.url)"))
    expect(await run(script)).toEqual({ output: '1\n', notes: [] })
  })

  it('may name itself', async () => {
    const start = 'isMainThread ? new Worker(new URL("./itself.ts", import.meta.url)) : console.log("twice")'
    const script = write(
      'itself.ts',
      `import { isMainThread, Worker } from 'node:worker_threads'\n${start}\n`,
    )
    expect(await run(script)).toEqual({ output: 'twice\n', notes: [] })
  })

  it.each([
    ["'./worker.ts'", './worker.ts'],
    ['"worker.ts"', './worker.ts'],
    ['`./inner/pair.ts`', './inner/pair.ts'],
    [`\`\${import.meta.dirname}/worker.ts\``, './worker.ts'],
  ])('is told how, where it does so by %s', async (name, wanted) => {
    write('worker.ts', worker)
    mkdirSync(join(scratch, 'inner'), { recursive: true })
    write('inner/pair.ts', 'console.log(1)\n')
    const { notes } = await bundleScript(write('by-name.ts', `console.log(${name})\n`))
    expect(notes).toEqual([
      `${basename(wanted)}, which by-name.ts names, does not come with it: for a worker or another process, write new URL('${wanted}', import.meta.url)`,
    ])
  })

  it('is told nothing of what it imports, and of what is not there', async () => {
    write('imported.ts', 'export const one = 1\n')
    const script = write(
      'imports.ts',
      "import { one } from './imported.ts'\nconsole.log(one, 'nowhere.ts', '/etc/no.js')\n",
    )
    expect((await bundleScript(script)).notes).toEqual([])
  })
})
