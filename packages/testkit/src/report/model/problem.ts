import type { Place } from './place'

/**
 * Something to look at: a misuse that a checker reported, an access that was refused, or one (`hazard`) that went through though the
 * mapping does not allow for it, which only the trace as a whole shows.
 */
export interface Problem {
  readonly severity: 'misuse' | 'fault' | 'hazard'
  /** Index of its event. */
  readonly index: number
  /** Whose it is: of a misuse that nobody's device is named in, the device that has the bytes. */
  readonly device: string
  /** In one line. */
  readonly title: string
  /** The bytes it is about, where they are known. */
  readonly place: Place | undefined
}

/** `bytes 64..127`, both counted from the start of a mapping, the last one included. */
export function byteRange(start: number, end: number): string {
  return end - start === 1 ? `byte ${start}` : `bytes ${start}..${end - 1}`
}

/** Said where something failed all the same. What a program makes of the bytes is in no trace. */
export const nothingKnown =
  'Nothing in this trace is known to be wrong; what the program made of the bytes is not in it.'
