import { DmaError } from '@linux-dma/native'

/** What is known beyond the errno of a failed system call. */
export interface Explanation {
  message: string
  hint: string
}

/** What an errno means here: made only where it came. */
export type Reasons = Record<string, () => Explanation>

/**
 * Runs a system call; where it fails with an errno that is listed, throws an error of the same code and fields that
 * says what it means here and what to do.
 */
export function explained<Result>(call: () => Result, reasons: Reasons): Result {
  try {
    return call()
  } catch (error) {
    throw explain(error, reasons)
  }
}

/** The error that says more, where its errno is listed; the same error else. */
export function explain(error: unknown, reasons: Reasons): unknown {
  if (!(error instanceof Error) || error.name !== 'DmaError') return error
  const failed = error as DmaError
  const reason = reasons[failed.code]
  if (!reason) return error
  const { errno, syscall, path } = failed
  const { message, hint } = reason()
  return new DmaError(failed.code, message, { hint, errno, syscall, path, cause: error })
}
