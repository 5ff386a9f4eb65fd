// npm start: sets up what is missing, then runs an example, or a script of yours. Further arguments go to that.
//   npm start                          the edu driver, on a fake device: needs no Linux, no root and no compiler
//   npm start -- --vfio 0000:00:04.0   the same on a real one
//   npm start -- rx-ring               another of examples/
//   npm start -- driver.ts             your own script, TypeScript or JavaScript, which finds the packages by name
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, buildAddon, ensureDependencies, root, run } from './steps.mjs'

const args = process.argv.slice(2)
const named = args[0] !== undefined && !args[0].startsWith('-') ? args.shift() : 'edu-driver'
ensureDependencies()
process.exitCode = existsSync(path.join(root, 'examples', named, 'package.json'))
  ? runExample(named)
  : await runScript(named)

function runExample(name) {
  build(`./examples/${name}`)
  if (args.some((arg) => arg.startsWith('--vfio'))) buildAddon()
  return run(process.execPath, [path.join(root, 'examples', name, 'dist/main.js'), ...args])
}

/** As one file below the packages' own folder, so that they are found; it is run where npm was started. */
async function runScript(file) {
  const { bundleScript } = await import('../lab/bundle.mjs')
  const script = await bundleScript(file).catch((error) => {
    console.error(error.message)
    process.exit(error.exitStatus ?? 1)
  })
  build('./packages/*')
  const folder = mkdtempSync(path.join(root, 'node_modules', '.script-'))
  try {
    const program = path.join(folder, path.basename(script.path))
    writeFileSync(program, script.data)
    const cwd = process.env.INIT_CWD ?? process.cwd()
    return run(process.execPath, ['--enable-source-maps', program, ...args], { cwd })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
