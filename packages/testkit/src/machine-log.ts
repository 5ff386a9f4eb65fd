import { DISTURBED } from './disturb/kinds'
import type { LogEntry } from './pci/function'

/** Lines that are kept of each device: one whose interrupts nobody listens to has one for each of them. */
const MOST_LINES = 1000

/** What there is of one device. */
interface Lines {
  kept: number
  /** Kept apart: whether a test was disturbed is asked in the end, and must not be lost among other lines. */
  disturbances: number
  /** Not kept. */
  more: number
  /** Where the line is that counts those. */
  readonly countedAt: number
}

/** What devices of a machine complained about, and drivers of the kernel: the first lines of each device, and how many there were. */
export class MachineLog {
  /** Oldest first. */
  readonly entries: LogEntry[] = []
  readonly #devices = new Map<string, Lines>()

  add(entry: LogEntry): void {
    const { device, message, time } = entry
    let lines = this.#devices.get(device)
    if (lines === undefined) {
      lines = { kept: 0, disturbances: 0, more: 0, countedAt: 0 }
      this.#devices.set(device, lines)
    }
    const count = message.startsWith(DISTURBED) ? 'disturbances' : 'kept'
    if (lines[count] < MOST_LINES) {
      lines[count]++
      this.entries.push(entry)
      return
    }
    lines.more++
    const counted = { time, device, message: `and ${lines.more} more lines, which are not kept here` }
    if (lines.more === 1) this.#devices.set(device, { ...lines, countedAt: this.entries.push(counted) - 1 })
    else this.entries[lines.countedAt] = counted
  }
}
