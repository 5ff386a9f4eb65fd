/** What is looked at of an error. It may be of another realm, which no `instanceof` knows, or what a runner made of it. */
interface ErrorLike {
  readonly message?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/** What an error says, or anything else that was thrown. */
export function messageOf(thrown: unknown): string {
  const { message } = asErrorLike(thrown)
  return typeof message === 'string' ? message : String(thrown)
}

/** What an error says, what it comes from and what it consists of. */
export function allMessages(thrown: unknown): Set<string> {
  const messages = new Set<string>()
  const seen = new Set<unknown>()
  const visit = (each: unknown): void => {
    if (typeof each !== 'object' || each === null || seen.has(each)) return
    seen.add(each)
    const { cause, errors } = asErrorLike(each)
    messages.add(messageOf(each))
    visit(cause)
    if (Array.isArray(errors)) errors.forEach(visit)
  }
  visit(thrown)
  return messages
}

function asErrorLike(thrown: unknown): ErrorLike {
  return typeof thrown === 'object' && thrown !== null ? thrown : {}
}
