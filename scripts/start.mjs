// npm start: sets up what is missing, then runs an example, or a script of yours. Further arguments go to that.
//   npm start                          the edu driver, on a fake device: needs no Linux, no root and no compiler
//   npm start -- --vfio 0000:00:04.0   the same on a real one
//   npm start -- rx-ring               another of examples/
//   npm start -- driver.ts             your own script, TypeScript or JavaScript, which finds the packages by name
//   npm start -- --help                which examples there are
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, buildAddon, ensureDependencies, root, run } from './steps.mjs'

const examples = path.join(root, 'examples')
const args = process.argv.slice(2)
if (['--help', '-h'].includes(args[0])) {
  console.log(help())
  process.exit()
}
const named = args[0] !== undefined && !args[0].startsWith('-') ? args.shift() : 'edu-driver'
ensureDependencies()
process.exitCode = existsSync(path.join(examples, named, 'package.json'))
  ? runExample(named)
  : await runScript(named)

function help() {
  const names = readdirSync(examples).filter((name) => existsSync(path.join(examples, name, 'package.json')))
  const width = Math.max(...names.map((name) => name.length))
  const lines = names.map((name) => {
    const { description } = JSON.parse(readFileSync(path.join(examples, name, 'package.json'), 'utf8'))
    return `  ${name.padEnd(width)}  ${description}`
  })
  return `Runs an example on a fake device, or a script of yours.

  npm start                          the first example, edu-driver
  npm start -- EXAMPLE [ARGUMENT…]   one of those below; EXAMPLE --help has its arguments
  npm start -- FILE [ARGUMENT…]      your own script, TypeScript or JavaScript

Types are not checked: npm run typecheck -- FILE. What FILE imports is bundled
with it. A worker or a second process of yours is found where FILE names it so:
  new Worker(new URL('./worker.ts', import.meta.url))
  spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('./viewer.ts', import.meta.url))])
Every program that makes a fake machine has one of its own.

Examples:
${lines.join('\n')}

Each has a README in examples/.`
}

function runExample(name) {
  build(`./examples/${name}`)
  if (args.some((arg) => /^--(vfio|uio|real)/.test(arg))) buildAddon()
  return run(process.execPath, [path.join(examples, name, 'dist/main.js'), ...args])
}

/** With what it names, below the packages' own folder, so that they are found; it is run where npm was started. */
async function runScript(file) {
  const { bundleScript } = await import('../lab/bundle.mjs')
  const script = await bundleScript(file).catch((error) => {
    console.error(`${error.message}\n'npm start -- --help' has the examples`)
    process.exit(error.exitStatus ?? 1)
  })
  for (const note of script.notes) console.error(`note: ${note}`)
  build('./packages/*')
  const folder = mkdtempSync(path.join(root, 'node_modules', '.script-'))
  try {
    const [program] = script.files.map((entry) => {
      const target = path.join(folder, path.basename(entry.path))
      writeFileSync(target, entry.data)
      return target
    })
    const cwd = process.env.INIT_CWD ?? process.cwd()
    return run(process.execPath, ['--enable-source-maps', program, ...args], { cwd })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
