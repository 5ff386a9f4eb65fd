import { type DmaError, isDmaError } from '@linux-dma/native'

/** The call that was made to fail, and how. */
interface Failed {
  readonly syscall: string
  readonly code: string
}

/**
 * Why nobody would see from an error what went wrong; undefined where one would. It has to be a {@link DmaError}, or have one among
 * its causes, with a code and a message, and somewhere among them there has to be the call that failed, or its errno. What says that something is not there may have become a diagnosis, with a hint.
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

/** What Linux says where something is not there, or has gone: a diagnosis of that, by the packages, need not tell how it was found. */
const absence = new Set([
  'ENOENT',
  'ENODEV',
  'EIO',
  'ENOTDIR',
  'ENOTTY',
  'ENOSYS',
  'EINVAL',
  'ESRCH',
  'EBADF',
])

function tellsOf({ code, syscall, message, hint }: DmaError, failed: Failed): boolean {
  if (code.startsWith('DMA_') && hint !== undefined && absence.has(failed.code)) return true
  if (syscall === failed.syscall || code === failed.code) return true
  return message.includes(failed.syscall) || new RegExp(`\\b${failed.code}\\b`).test(message)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `'${String(error)}'`
}
