import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** What the figures were taken on, in one line. */
export function describeMachine(): string {
  const [first] = cpus()
  return `${first?.model ?? 'unknown processor'}, ${cpus().length} cores; Node ${process.versions.node}; Linux ${release()}`
}

/** The machine's time since it started, by what the host let it have. */
export interface CpuTime {
  /** Ticks in all. */
  total: number
  /** Ticks in which this machine wanted to run and its host ran something else. */
  steal: number
}

/** Reads the first line of /proc/stat. */
export function readCpuTime(stat = readFileSync('/proc/stat', 'utf8')): CpuTime {
  const ticks = stat.split('\n', 1)[0]!.split(/\s+/).slice(1, 9).map(Number)
  return { total: ticks.reduce((sum, value) => sum + value, 0), steal: ticks[7] ?? 0 }
}

/** Share of the time since `before` that was stolen: 0 to 1. */
export function stealSince(before: CpuTime, now = readCpuTime()): number {
  const total = now.total - before.total
  return total === 0 ? 0 : (now.steal - before.steal) / total
}
