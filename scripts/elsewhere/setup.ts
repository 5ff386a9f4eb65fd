// Runs in each worker before its tests: another system, on which compiled code would not load, and is not to be asked for.
import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'

const { ELSEWHERE_PLATFORM: platform, ELSEWHERE_ARCH: arch, ELSEWHERE_CALLS: calls } = process.env
if (!platform || !arch || !calls) throw new Error('npm run test:elsewhere says what to be')

// Where Windows has it; asked for while this still is what it is.
process.env.TEMP = tmpdir()
Object.defineProperty(process, 'platform', { value: platform, enumerable: true, configurable: true })
Object.defineProperty(process, 'arch', { value: arch, enumerable: true, configurable: true })

/** Fails the call, and the whole run too, where what calls takes no notice. */
function refuse(_module: unknown, file: string): never {
  appendFileSync(calls!, `${file}\n`)
  throw new Error(`compiled code was loaded: ${file}`)
}

process.dlopen = refuse
createRequire(import.meta.url).extensions['.node'] = refuse
