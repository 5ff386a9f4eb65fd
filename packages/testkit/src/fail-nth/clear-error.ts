import { type DmaError, isDmaError } from '@linux-dma/native'

/** The call that was made to fail, and how. */
export interface Failed {
  readonly syscall: string
  readonly code: string
  /** The file that it named. What other calls were about is none of it: any error of a driver names its device. */
  readonly path: string | undefined
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

function tellsOf({ code, syscall, path, message, hint }: DmaError, failed: Failed): boolean {
  if (syscall === failed.syscall || code === failed.code) return true
  if (path !== undefined && path === failed.path) return true
  // A folder that is not there is one with nothing in it.
  if (failed.syscall === 'scandir' && failed.code === 'ENOENT' && saysAbsent.has(code)) return true
  if (hasWord(message, failed.code)) return true
  // What to do next may well be to open or to read something, whatever it was that failed.
  const said = hint === undefined ? message : message.slice(0, message.lastIndexOf(hint))
  return hasWord(said, failed.syscall) || namesIn(failed.path).some((name) => hasWord(message, name))
}

/** What says that a device is not there. */
const saysAbsent = new Set(['DMA_NO_DEVICE', 'DMA_NOT_BOUND', 'DMA_DEVICE_GONE'])

/** What is called like nothing else: a device, its node, a driver with a name of its own, an attribute of two words. */
const ownName = /^(?=.*[\d_-])(?!\d+$)/

/** A file's path, and what in it names a device or something of it. What most devices have, as a `driver`, says nothing of this one. */
function namesIn(path: string | undefined): string[] {
  return path === undefined ? [] : [path, ...path.split('/').filter((part) => ownName.test(part))]
}

function hasWord(text: string, word: string): boolean {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<!\\w)${literal}(?!\\w)`).test(text)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `'${String(error)}'`
}
