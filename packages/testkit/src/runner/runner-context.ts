/** What a runner's hook knows of the test that ended. */
interface EndedTest {
  readonly name: string | undefined
  readonly thrown: readonly unknown[]
}

/** node:test's TestContext. */
interface NodeTestContext {
  readonly fullName?: string
  readonly name?: string
  readonly error?: unknown
}

/** Mocha's, which is `this`. */
interface MochaContext {
  readonly currentTest?: { fullTitle?(): string; readonly err?: unknown }
}

/** Vitest's. */
interface VitestContext {
  readonly task?: { readonly name?: string; readonly result?: { readonly errors?: readonly unknown[] } }
}

/** Asks what a hook is called with, or on, for the test's name and what it threw: each runner has a place of its own, or none. */
export function endedTest(self: unknown, context: unknown): EndedTest {
  const { currentTest } = (self ?? {}) as MochaContext
  const { fullName, name, error, task } = (context ?? {}) as NodeTestContext & VitestContext
  const errors = [currentTest?.err, unwrap(error), ...(task?.result?.errors ?? [])]
  return {
    name: currentTest?.fullTitle?.() ?? fullName ?? name ?? task?.name,
    thrown: errors.filter((each) => each !== undefined && each !== null),
  }
}

/** node:test puts what a test threw into an error of its own. */
function unwrap(error: unknown): unknown {
  if (!(error instanceof Error) || !('failureType' in error)) return error
  return error.cause ?? error
}
