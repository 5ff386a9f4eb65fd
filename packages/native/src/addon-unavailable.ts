import { join } from 'node:path'
import { DmaError } from './errors'

/** What is known of a load that failed. */
export interface LoadFailure {
  root: string
  platform: string
  /** The file that was found; absent where none was. */
  file?: string | undefined
  cause: unknown
}

const WITHOUT_IT =
  "programs and tests of your own can do without it on a fake machine of '@linux-dma/testkit': pass them { kernel: machine.kernel }"

/** One error that says what was looked for, the likely cause, and the next command. */
export function unavailable({ root, platform, file, cause }: LoadFailure): DmaError {
  const reason = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause)
  const target = `${platform} ${process.arch} ${libc()}, Node.js ${process.versions.node}${electron()}`
  const tried = file === undefined ? searched(root, platform).join(', ') : file
  const { likely, next } = diagnose(root, platform, file, reason)
  return new DmaError(
    'DMA_NATIVE_UNAVAILABLE',
    `the compiled addon of @linux-dma/native did not load\n  looked for: ${target}\n  tried: ${tried}\n  reason: ${reason}\n  likely cause: ${likely}`,
    { hint: `${next}; ${WITHOUT_IT}`, cause },
  )
}

function searched(root: string, platform: string): string[] {
  return [join(root, 'build', 'Release'), join(root, 'prebuilds', `${platform}-${process.arch}`)]
}

function diagnose(root: string, platform: string, file: string | undefined, reason: string) {
  if (platform !== 'linux') {
    return { likely: 'the real kernel is Linux, and this is not', next: 'run this program on Linux' }
  }
  if (file === undefined) {
    return {
      likely: `there is no prebuilt file for ${process.arch}, or a bundler moved the code away from its package`,
      next: `build it: cd ${root} && npx node-gyp rebuild (in a bundler, mark @linux-dma/native as external)`,
    }
  }
  if (/GLIBC(XX)?_[0-9.]+' not found/.test(reason)) {
    return {
      likely: 'the C library of this system is too old',
      next: `build it: cd ${root} && npx node-gyp rebuild`,
    }
  }
  return {
    likely: 'the file is damaged, or of another machine',
    next: `install it again: rm -r ${root} && npm install`,
  }
}

function libc(): string {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  const version = report?.header?.glibcVersionRuntime
  return version === undefined ? 'musl or no glibc' : `glibc ${version}`
}

function electron(): string {
  const version = process.versions.electron
  return version === undefined ? '' : `, Electron ${version}`
}
