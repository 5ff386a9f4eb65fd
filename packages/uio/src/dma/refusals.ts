import { DmaError, isDmaError } from '@linux-dma/core'

/** One way to coherent memory, and why it led nowhere. */
export interface Refusal {
  readonly way: string
  readonly error: DmaError
}

/** What a way that is not there is refused with: it says less than why one that is there could not be taken. */
export const NOT_OFFERED = 'DMA_UNSUPPORTED'

/**
 * The first way's memory that there is.
 * @throws one error that says of each way why it was none: with the code of the first that is offered at all, else of the last
 */
export function firstOf<Memory>(
  what: string,
  ways: readonly { readonly name: string; allocate(): Memory }[],
): Memory {
  const refusals: Refusal[] = []
  for (const { name, allocate } of ways) {
    try {
      return allocate()
    } catch (error) {
      if (!isDmaError(error) || error.code === 'DMA_DEVICE_GONE') throw error
      refusals.push({ way: name, error })
    }
  }
  throw noneOf(what, refusals)
}

function noneOf(what: string, refusals: readonly Refusal[]): DmaError {
  const offered = refusals.filter(({ error }) => error.code !== NOT_OFFERED).map(({ error }) => error)
  const telling = offered[0] ?? refusals.at(-1)?.error
  // What stands behind each of them is to be found, and not only behind the one whose code it has.
  const cause = offered.length > 1 ? new AggregateError(offered, `${what} could not be had`) : telling
  const lines = refusals.map(({ way, error }) => `\n  ${way}: ${reasonOf(error)}`)
  const hints = refusals.flatMap(({ error }) => (error.hint === undefined ? [] : [error.hint]))
  const { code = NOT_OFFERED, errno, syscall, path } = telling ?? {}
  return new DmaError(code, `${what} could not be had${lines.join('')}`, {
    hint: hints.join('; or '),
    errno,
    syscall,
    path,
    cause,
  })
}

/** An error's message without its code and hint. */
export function reasonOf({ code, message, hint }: DmaError): string {
  const end = hint === undefined ? message.length : message.length - `\n  hint: ${hint}`.length
  return message.slice(`${code}: `.length, end)
}
