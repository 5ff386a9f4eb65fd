import process from 'node:process'
import { DmaError } from '@linux-dma/native'

/** By it another copy of this module is known, too: the process is one for all. */
const listenerName = 'linuxDmaFailNth'

/** What is thrown and rejected with nobody there to catch it. */
export class Uncaught {
  readonly #errors: unknown[] = []
  readonly #listener = (error: unknown) => {
    this.#errors.push(error)
  }

  constructor() {
    Object.defineProperty(this.#listener, 'name', { value: listenerName })
  }

  /**
   * Runs `body` with all of the process's watched.
   * @throws DMA_IN_USE while somebody else does: nobody could say whose an error is
   */
  async during<Result>(body: () => Promise<Result>): Promise<Result> {
    if (process.listeners('unhandledRejection').some(({ name }) => name === listenerName)) {
      throw new DmaError('DMA_IN_USE', 'another failNth() is under way in this process', {
        hint: 'await the first before you start the second, and run tests that use it one after the other',
      })
    }
    process.on('unhandledRejection', this.#listener)
    process.on('uncaughtException', this.#listener)
    try {
      return await body()
    } finally {
      process.off('unhandledRejection', this.#listener)
      process.off('uncaughtException', this.#listener)
    }
  }

  /** What there has been since it was asked for last. */
  take(): unknown[] {
    return this.#errors.splice(0)
  }
}
