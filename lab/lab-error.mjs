/** Exit status where the lab cannot run on this machine, which says nothing of the packages: sysexits' EX_UNAVAILABLE. */
export const unavailable = 69

/** A failure of the lab itself, not of what ran in it: a message, what to do next, and the exit status. */
export class LabError extends Error {
  /**
   * @param {string} message what happened
   * @param {{ hint?: string, exitStatus?: number, cause?: unknown }} [options] `hint`: the next command to type
   */
  constructor(message, { hint, exitStatus = 125, cause } = {}) {
    super(message, { cause })
    this.name = 'LabError'
    this.hint = hint
    this.exitStatus = exitStatus
  }
}

/**
 * Does what may fail because of the machine or the network. Such a failure is one of the lab, and no more than that.
 * @template T
 * @param {string} what is to be had
 * @param {string} hint where the failure has none of its own
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {LabError} with exit status 69
 */
export async function obtain(what, hint, work) {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    throw new LabError(`${what} cannot be had: ${error.message}`, {
      hint: error.hint ?? hint,
      exitStatus: unavailable,
      cause: error,
    })
  }
}
