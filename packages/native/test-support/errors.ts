import type { DmaError } from '../src/errors'

/** What a call throws: fails the test where it throws nothing. */
export function thrownBy(call: () => unknown): DmaError {
  try {
    call()
  } catch (error) {
    return error as DmaError
  }
  throw new Error('nothing was thrown')
}

/** What a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<DmaError> {
  try {
    await promise
  } catch (error) {
    return error as DmaError
  }
  throw new Error('nothing was rejected')
}
