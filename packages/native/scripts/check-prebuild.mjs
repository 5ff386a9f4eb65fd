// Fails where a prebuilt file would not load on the oldest system that Node.js 20 itself runs on.
// Usage: node scripts/check-prebuild.mjs [prebuilds folder]
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FLOORS = { GLIBC: [2, 28], GLIBCXX: [3, 4, 21] }
const MACHINES = { x64: 'X86-64', arm64: 'AArch64', arm: 'ARM' }

const folder = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '../prebuilds')

function readelf(option, file) {
  return execFileSync('readelf', [option, '-W', file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
}

function isAbove(version, floor) {
  for (let index = 0; index < Math.max(version.length, floor.length); index++) {
    const difference = (version[index] ?? 0) - (floor[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}

function problemsOf(file, architecture) {
  const problems = []
  const machine = /Machine:.*?(X86-64|AArch64|ARM)\s*$/m.exec(readelf('-h', file))?.[1]
  if (machine === undefined || machine !== MACHINES[architecture]) {
    problems.push(`is for ${machine ?? 'an unknown machine'}, in a folder for ${architecture}`)
  }
  const needed = readelf('-V', file).matchAll(/Name: (GLIBC|GLIBCXX)_([0-9.]+)/g)
  for (const [, library, version] of needed) {
    if (isAbove(version.split('.').map(Number), FLOORS[library])) {
      problems.push(`needs ${library}_${version}, above ${library}_${FLOORS[library].join('.')}`)
    }
  }
  const libraries = [...readelf('-d', file).matchAll(/NEEDED.*\[(.+)\]/g)].map(([, name]) => name)
  for (const name of libraries) {
    if (!name.startsWith('libc.')) problems.push(`needs ${name}: only the C library may be needed`)
  }
  return problems
}

const files = readdirSync(folder).flatMap((target) =>
  readdirSync(join(folder, target))
    .filter((name) => name.endsWith('.node'))
    .map((name) => ({ file: join(folder, target, name), architecture: target.split('-')[1] })),
)
const found = files.flatMap(({ file, architecture }) =>
  problemsOf(file, architecture).map((text) => `${file} ${text}`),
)
if (files.length === 0) found.push(`no prebuilt file in ${folder}: npm run build:addon`)
for (const line of found) console.error(line)
console.log(`${files.length} prebuilt file(s), ${found.length} problem(s)`)
process.exit(found.length === 0 ? 0 : 1)
