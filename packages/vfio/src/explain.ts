import { DmaError } from '@linux-dma/core'

/** What is known beyond the errno of a failed system call. */
export interface Explanation {
  message: string
  hint: string
}

/**
 * Runs a system call; where it fails with an errno that is listed, throws an error of the same code and fields that
 * says what it means here and what to do.
 */
export function explained<Result>(call: () => Result, reasons: Record<string, () => Explanation>): Result {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'DmaError') throw error
    const failed = error as DmaError
    const reason = reasons[failed.code]
    if (!reason) throw error
    const { errno, syscall, path } = failed
    const { message, hint } = reason()
    throw new DmaError(failed.code, message, { hint, errno, syscall, path, cause: error })
  }
}
