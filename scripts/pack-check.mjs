// npm run pack:check: packs every package as it would be published, checks the tarballs, installs them into an empty
// folder with scripts disabled and no compiler in reach, and runs the example from there, as ESM and as CommonJS.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pack, quietly } from './pack.mjs'
import { bin, build, buildAddon, ensureDependencies, must, root } from './steps.mjs'

ensureDependencies()
build()
buildAddon()

const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-pack-'))
try {
  const tarballs = pack(scratch)
  for (const tarball of tarballs) {
    must(bin('publint'), ['run', '--strict', tarball])
    for (const expectation of typesOf(tarball)) {
      must(bin('attw'), [tarball, '--no-emoji', '--format', 'ascii', ...expectation], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    }
  }
  must(process.execPath, ['packages/native/scripts/check-prebuild.mjs'])
  const folder = install(tarballs)
  runExample(folder)
  runNative(folder)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** What has its types for whom: everything for everybody, but for the testkit's entries for test runners. */
function typesOf(tarball) {
  if (!tarball.includes('testkit')) return [[]]
  return [
    ['--exclude-entrypoints', 'node', 'vitest'],
    // TypeScript's resolution of before 2022 does not know of exports.
    ['--entrypoints', 'node', '--profile', 'node16'],
    ['--entrypoints', 'vitest', '--profile', 'esm-only'],
  ]
}

/** An empty folder with the packages installed, by a PATH on which there is nothing but Node.js, npm and a shell. */
function install(tarballs) {
  const folder = path.join(scratch, 'user')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "private": true }')
  must('npm', ['install', ...quietly, ...tarballs], {
    cwd: folder,
    env: { ...process.env, PATH: barePath() },
  })
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
