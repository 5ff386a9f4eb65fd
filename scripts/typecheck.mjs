// npm run typecheck: the types of every package.
//   npm run typecheck -- FILE…   of scripts of yours, which find the packages by name wherever they lie
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { bin, build, ensureDependencies, root, run } from './steps.mjs'
import { typeReport } from './type-report.mjs'

const names = process.argv.slice(2)
const strange = names.find((name) => name.startsWith('-'))
if (strange) {
  console.error(`there is no option ${strange}\nnpm run typecheck [-- FILE…]`)
  process.exit(2)
}
ensureDependencies()
process.exitCode = names.length > 0 ? checkNamed(names.map(find)) : checkPackages()

function checkPackages() {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' }
  return run(bin('turbo'), ['run', 'typecheck', '--output-logs=errors-only', '--no-update-notifier'], { env })
}

/** npm starts its scripts in the repository's folder, and says where it was started itself. */
function find(name) {
  const file = path.resolve(process.env.INIT_CWD ?? '.', name)
  if (existsSync(file)) return file
  console.error(`there is no ${file}`)
  process.exit(2)
}

function checkNamed(files) {
  const status = checkFiles(files)
  const report = typeReport(status, files)
  if (report) console.log(report)
  return status
}

function checkFiles(files) {
  build('./packages/*')
  const folder = mkdtempSync(path.join(root, 'node_modules', '.typecheck-'))
  const compilerOptions = {
    paths: { '@linux-dma/*': [path.join(root, 'packages/*')] },
    allowImportingTsExtensions: true,
    allowJs: true,
    checkJs: true,
    // A script that is being tried out has every right to these.
    noUnusedLocals: false,
    noUnusedParameters: false,
  }
  try {
    const settings = { extends: path.join(root, 'tsconfig.base.json'), compilerOptions, files }
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(settings))
    const cwd = process.env.INIT_CWD ?? root
    return run(bin('tsc'), ['-p', folder, '--pretty', 'false'], { cwd })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
