import { DmaError } from '@linux-dma/native'
import { tellFailures } from './report'
import type { FailNthResult } from './types'

/** What {@link failNth} throws where runs went wrong. Its message says all there is to read. */
export class FailNthError extends DmaError {
  /** All of it, for a program to look at. A runner would print it run by run: it does not show. */
  declare readonly result: FailNthResult

  /** @internal made by {@link failNth} */
  constructor(result: FailNthResult) {
    super('DMA_FAIL_NTH', tellFailures(result), {
      hint: 'run one of them alone: failNth(scenario, { verbs, errnos })',
    })
    Object.defineProperty(this, 'result', { value: result })
    // Vitest prints what cannot be enumerated, too, but not of an error that says what there is of it.
    Object.defineProperty(this, 'toJSON', { value: () => ({ code: this.code }) })
  }
}
