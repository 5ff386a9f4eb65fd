import { isDmaError } from '@linux-dma/native'
import type { Answer, Outcome } from './family'

/** Runs of equal bytes that are told one by one; of more, what they add up to is told besides. */
const MOST_RUNS = 24

/** What operations say that have asked the kernel for nothing: what they need was not there, or is left out. */
const idle: ReadonlySet<Outcome> = new Set([
  ...['none', 'left out', 'no dma-buf', 'no room', 'no socket', 'not writable'],
])

/** Whether the kernel did what it was asked for, refused it, or was not asked at all. */
export function kindOfOutcome(outcome: Outcome): 'answered' | 'refused' | 'idle' {
  if (idle.has(outcome)) return 'idle'
  const refused = typeof outcome === 'object' && outcome !== null && 'code' in outcome
  return refused ? 'refused' : 'answered'
}

/** What an operation answered, or how it was refused: the error's code and system call. Messages may differ. */
export async function outcomeOf(run: () => Answer): Promise<Outcome> {
  try {
    return (await run()) ?? undefined
  } catch (error) {
    return refusalOf(error)
  }
}

/** The same of an error at hand. One that is no `DmaError` is thrown on: it is a mistake of the packages or of the family. */
export function refusalOf(error: unknown): Outcome {
  if (!isDmaError(error)) throw error
  return error.syscall === undefined ? { code: error.code } : { code: error.code, syscall: error.syscall }
}

/** Bytes in few words: how many there are of each, in turn, as in `4096×00, 1×2a`. */
export function describeBytes(bytes: Uint8Array): string {
  const runs: string[] = []
  let sum = 0
  for (let start = 0; start < bytes.length; ) {
    const value = bytes[start]!
    const end = endOfRun(bytes, start)
    if (runs.length < MOST_RUNS) runs.push(`${end - start}×${value.toString(16).padStart(2, '0')}`)
    sum = (Math.imul(sum, 31) + (end - start) * 257 + value) | 0
    start = end
    if (runs.length === MOST_RUNS && start < bytes.length) runs.push('…')
  }
  return runs.length > MOST_RUNS ? `${runs.join(', ')} (${sum >>> 0})` : runs.join(', ')
}

/** Bytes that are compared at once: a run is as often as not a whole page. */
const BLOCK = 1024

/** Where the run of equal bytes ends that begins at `start`. */
function endOfRun(bytes: Uint8Array, start: number): number {
  let end = start + 1
  // A block that equals the one a byte before it goes on with the run.
  while (
    end + BLOCK <= bytes.length &&
    Buffer.compare(bytes.subarray(end - 1, end - 1 + BLOCK), bytes.subarray(end, end + BLOCK)) === 0
  )
    end += BLOCK
  while (end < bytes.length && bytes[end] === bytes[start]) end++
  return end
}
