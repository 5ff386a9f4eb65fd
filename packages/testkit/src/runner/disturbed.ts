import { DmaError } from '@linux-dma/native'
import { milliseconds } from '../coherence/known-mapping'
import type { FakeMachine } from '../machine'
import type { LogEntry } from '../pci/function'

/** How a line of the log begins that is about a disturbance. */
const mark = 'disturbed: '
/** Kinds that are told of. */
const mostTold = 10

/** Whether a disturbance did something to a device of the machine. */
export function isDisturbed({ log }: FakeMachine): boolean {
  return log.some(({ message }) => message.startsWith(mark))
}

/** What disturbances did, where they did something: what a test that failed may have failed by, and nobody else tells of. */
export function disturbancesOf({ log }: FakeMachine): DmaError[] {
  const kinds = new Map<string, LogEntry[]>()
  for (const entry of log.filter(({ message }) => message.startsWith(mark))) {
    // Addresses, lengths and values are others each time.
    const kind = `${entry.device} ${entry.message.replace(/0x[0-9a-f]+|\d+(?= bytes)/g, '#')}`
    kinds.set(kind, [...(kinds.get(kind) ?? []), entry])
  }
  if (kinds.size === 0) return []
  const lines = [...kinds.values()].slice(0, mostTold).map((entries) => `\n  ${tell(entries)}`)
  const more = kinds.size > mostTold ? `\n  and ${kinds.size - mostTold} kinds more` : ''
  return [new DmaError('DMA_DISTURBED', `the test had its devices disturbed:${lines.join('')}${more}`)]
}

function tell(entries: readonly LogEntry[]): string {
  const { device, message, time } = entries[0]!
  const times = entries.length === 1 ? 'once, at' : `${entries.length} times, first at`
  return `${message} (${device}), ${times} ${milliseconds(time)}`
}
