// npm run pack:check: packs every package as it would be published, checks the tarballs, installs them into an empty
// folder with scripts disabled and no compiler in reach, and runs the example from there, as ESM and as CommonJS.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bin, build, buildAddon, ensureDependencies, must, root } from './steps.mjs'

ensureDependencies()
build()
buildAddon()

const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-pack-'))
try {
  const tarballs = pack()
  for (const tarball of tarballs) {
    must(bin('publint'), ['run', '--strict', tarball])
    must(bin('attw'), ['--no-emoji', '--format', 'ascii', tarball], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
  must(process.execPath, ['packages/native/scripts/check-prebuild.mjs'])
  const folder = install(tarballs)
  runExample(folder)
  runNative(folder)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function pack() {
  return readdirSync(path.join(root, 'packages')).map((name) => {
    const folder = path.join(root, 'packages', name)
    const report = execFileSync(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch],
      {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    const [{ filename, unpackedSize, entryCount }] = Object.values(JSON.parse(report))
    console.log(`packed ${filename}: ${entryCount} files, ${Math.round(unpackedSize / 1024)} KiB`)
    return path.join(scratch, filename.replace('@', '').replace('/', '-'))
  })
}

/** An empty folder with the packages installed, by a PATH on which there is nothing but Node.js, npm and a shell. */
function install(tarballs) {
  const folder = path.join(scratch, 'user')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "private": true }')
  must(
    'npm',
    [
      'install',
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...tarballs,
    ],
    {
      cwd: folder,
      env: { ...process.env, PATH: barePath() },
    },
  )
  return folder
}

function barePath() {
  const folder = path.join(scratch, 'bin')
  mkdirSync(folder)
  for (const name of ['node', 'npm', 'sh', 'env']) {
    const found = (process.env.PATH ?? '')
      .split(path.delimiter)
      .map((dir) => path.join(dir, name))
      .find(existsSync)
    if (found) symlinkSync(found, path.join(folder, name))
  }
  return folder
}

function runExample(folder) {
  for (const [format, file] of [
    ['ESM', 'main.js'],
    ['CommonJS', 'main.cjs'],
  ]) {
    const target = path.join(folder, file.replace('main.js', 'main.mjs'))
    copyFileSync(path.join(root, 'examples/edu-driver/dist', file), target)
    console.log(`\nthe example from the packed packages, ${format}:`)
    must(process.execPath, [target], { cwd: folder, env: { PATH: barePathOf(folder) } })
  }
}

/** On Linux the prebuilt addon has to load too; elsewhere it has to say clearly that it cannot. */
function runNative(folder) {
  const script = path.join(folder, 'native.mjs')
  writeFileSync(
    script,
    `import { linuxKernel } from '@linux-dma/native'
     try {
       const kernel = linuxKernel()
       kernel.close(kernel.memfd('pack-check', { byteLength: 4096 }))
       console.log('\\nthe prebuilt addon loads: ' + process.platform + '-' + process.arch)
     } catch (error) {
       if (process.platform === 'linux' || error.code !== 'DMA_NATIVE_UNAVAILABLE') throw error
       console.log(error.message)
     }`,
  )
  must(process.execPath, [script], { cwd: folder, env: { PATH: barePathOf(folder), PREBUILDS_ONLY: '1' } })
}

function barePathOf(folder) {
  return path.join(path.dirname(folder), 'bin')
}
