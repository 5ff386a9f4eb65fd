import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { families } from './families'
import type { Answer, Order } from './family'
import { describeMachine, readCpuTime, stealSince } from './machine'
import { loadReference } from './reference'
import { missedRows, toJson } from './report'
import type { Context, Result } from './row'
import { renderTable } from './table'

/** Above this share of stolen time figures say more about the host than about the code. */
const LARGEST_STEAL = 0.02

/** What the command line asks for. */
export interface BenchOptions {
  json?: string
  only?: string
  quick?: boolean
  long?: boolean
  gate?: boolean
}

/** Measures, prints, and gives the exit status: 1 where a row failed or, with `gate`, missed its goal. */
export async function main(options: BenchOptions): Promise<number> {
  const context: Context = { quick: options.quick ?? false, long: options.long ?? false }
  const before = readCpuTime()
  console.log(describeMachine())
  const { results, failures } = await measureAll(context, new RegExp(options.only ?? '', 'i'))
  const steal = stealSince(before)
  console.log(
    `steal ${(steal * 100).toFixed(1)}%; every figure is a median, every ratio one of interleaved pairs`,
  )
  console.log(renderTable(results))
  for (const failure of failures) console.error(failure)
  if (options.json !== undefined) writeFileSync(options.json, toJson(results))
  if (results.length + failures.length === 0) {
    console.error(`no row's name matches ${options.only}`)
    return 1
  }
  if (failures.length > 0) return 1
  return options.gate ? gate(results, steal) : 0
}

function gate(results: readonly Result[], steal: number): number {
  const missed = missedRows(results)
  if (missed.length === 0) return 0
  const names = missed.map(({ name }) => name).join('; ')
  if (steal > LARGEST_STEAL) {
    console.error(
      `not held against the code, since ${(steal * 100).toFixed(1)}% of the time was stolen: ${names}`,
    )
    return 0
  }
  console.error(`missed: ${names}`)
  return 1
}

async function measureAll(
  context: Context,
  only: RegExp,
): Promise<{ results: Result[]; failures: string[] }> {
  const reference = loadReference()
  const results: Result[] = []
  const failures: string[] = []
  for (const family of families) {
    const rows = family
      .rows(reference)
      .map(({ name }) => name)
      .filter((name) => only.test(name))
    if (rows.length === 0) continue
    const started = performance.now()
    await runFamily({ family: family.name, rows, context }, family.flags, (answer) => {
      if ('result' in answer) results.push(answer.result)
      else failures.push(`${answer.row}: ${answer.error}`)
    })
    console.error(`${family.name}: ${((performance.now() - started) / 1000).toFixed(0)} s`)
  }
  return { results, failures }
}

function runFamily(
  order: Order,
  flags: readonly string[],
  onAnswer: (answer: Answer) => void,
): Promise<void> {
  const program = fileURLToPath(new URL('family.js', import.meta.url))
  const child = fork(program, { execArgv: ['--expose-gc', ...flags] })
  const asked = new Set(order.rows)
  child.on('message', (answer: Answer) => {
    asked.delete('result' in answer ? answer.result.name : answer.row)
    onAnswer(answer)
  })
  child.send(order)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, signal) => {
      for (const row of asked) onAnswer({ row, error: `its process ended with ${signal ?? status}` })
      resolve()
    })
  })
}
