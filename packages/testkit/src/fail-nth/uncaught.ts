import process from 'node:process'

/** What is thrown and rejected with nobody there to catch it. */
export class Uncaught {
  readonly #errors: unknown[] = []
  readonly #listener = (error: unknown) => {
    this.#errors.push(error)
  }

  /** Runs `body` with all of the process's watched. */
  async during<Result>(body: () => Promise<Result>): Promise<Result> {
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
