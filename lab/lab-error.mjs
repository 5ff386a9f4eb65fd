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
