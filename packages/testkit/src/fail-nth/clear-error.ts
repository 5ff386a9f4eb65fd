import { type DmaError, isDmaError } from '@linux-dma/native'

/** The call that was made to fail, and how. */
export interface Failed {
  readonly syscall: string
  readonly code: string
  /** The file that it named; where it named none, those that the scenario had named before. */
  readonly paths: readonly string[]
}

/**
 * Why nobody would see from an error what went wrong; undefined where one would. It has to be a {@link DmaError}, or have one among
 * its causes, with a code and a message, and one of them has to tell of what failed: the errno, the call, or the file or device that
 * it was about.
 */
export function unclear(error: unknown, failed: Failed): string | undefined {
  const all = [...withCauses(error)]
  const own = all.filter((one): one is DmaError => isDmaError(one))
  if (own.length === 0) return `ended with ${nameOf(error)}, which is no DmaError`
  const empty = own.find(({ code, message }) => !/^[A-Z][A-Z0-9_]+$/.test(code) || isBare(message, code))
  if (empty !== undefined) return `ended with an error that says nothing: ${empty.message}`
  if (own.some((one) => tellsOf(one, failed))) return undefined
  return `ended with an error that says nothing of the call: ${own[0]?.message}`
}

/** An error, and all that it says led to it. */
export function* withCauses(error: unknown, seen = new Set<unknown>()): Generator<unknown> {
  if (typeof error !== 'object' || error === null || seen.has(error)) return
  seen.add(error)
  yield error
  const { cause, error: later, suppressed, errors } = error as Record<string, unknown>
  for (const one of [cause, later, suppressed, ...(Array.isArray(errors) ? errors : [])]) {
    yield* withCauses(one, seen)
  }
}

function isBare(message: string, code: string): boolean {
  return message.replace(`${code}:`, '').trim() === ''
}

function tellsOf({ code, syscall, path, message }: DmaError, failed: Failed): boolean {
  if (syscall === failed.syscall || code === failed.code) return true
  if (path !== undefined && failed.paths.includes(path)) return true
  // A folder that is not there is one with nothing in it.
  if (failed.syscall === 'scandir' && failed.code === 'ENOENT' && saysAbsent.has(code)) return true
  // The hint is a part of the message.
  return [failed.code, failed.syscall, ...failed.paths.flatMap(namesIn)].some((name) =>
    hasWord(message, name),
  )
}

/** What says that a device is not there. */
const saysAbsent = new Set(['DMA_NO_DEVICE', 'DMA_NOT_BOUND', 'DMA_DEVICE_GONE'])

/** Folders that many files are in. */
const everywhere = new Set([
  'dev',
  'sys',
  'proc',
  'self',
  'bus',
  'pci',
  'class',
  'devices',
  'kernel',
  'drivers',
  'vfio',
  'uio',
])

/** A file's path, and what in it names a device, a driver or an attribute. */
function namesIn(path: string): string[] {
  const parts = path.split('/').filter((part) => !everywhere.has(part) && !/^\d*$/.test(part))
  return [path, ...parts]
}

function hasWord(text: string, word: string): boolean {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<!\\w)${literal}(?!\\w)`).test(text)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `'${String(error)}'`
}
