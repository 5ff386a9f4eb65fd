// The packages as they would be published, and as somebody would install them.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { root } from './steps.mjs'

/** What npm is told so that an install runs nothing, asks for nothing and prints what went wrong alone. */
export const quietly = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

/** Packs every package. @param {string} folder where to @returns {string[]} the tarballs */
export function pack(folder) {
  return readdirSync(path.join(root, 'packages')).map((name) => {
    const report = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: path.join(root, 'packages', name),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [{ filename, unpackedSize, entryCount }] = Object.values(JSON.parse(report))
    console.log(`packed ${filename}: ${entryCount} files, ${Math.round(unpackedSize / 1024)} KiB`)
    return path.join(folder, filename.replace('@', '').replace('/', '-'))
  })
}
