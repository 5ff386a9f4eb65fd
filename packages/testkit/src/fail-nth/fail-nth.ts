import { callSite, DmaError } from '@linux-dma/native'
import { createFakeMachine } from '../machine'
import type { FakeMachineCore } from '../machine-core'
import { baselineOf, leftOver, refusedAccesses, refusedKinds } from './aftermath'
import { type CheckedFailNth, checkFailNth, everyCall } from './check-options'
import { type Failed, unclear } from './clear-error'
import { FailNthError } from './fail-nth-error'
import { letSettle, type Outcome, runToEnd } from './run-to-end'
import type { FailNthCall, FailNthOptions, FailNthResult, FailNthRun, FailNthScenario } from './types'
import { Uncaught } from './uncaught'
import { isMeant } from './verbs'
import { wholeStack } from './whole-stack'

/**
 * Runs a scenario once for each system call that it makes and each errno that Linux can answer there, each time on a machine of
 * its own, with that call failing; and looks after each run at what a program owes its user. It got to its end, or ended with a
 * clear error: a `DmaError`, or one caused by it, that tells of what failed. Nothing is left open, mapped, pinned or waited for,
 * nothing was rejected with nobody there, nothing hangs, DMA was used rightly, no device was refused what it reached for, unless
 * it is where no call fails, and the scenario runs once more on that machine.
 *
 * After the kernel's fault injection `fail-nth` and its self-tests. A scenario has to do the same each time, and runs alone in its
 * process: what is thrown elsewhere meanwhile is taken for its own.
 * @throws `DMA_FAIL_NTH`, a {@link FailNthError}, with each problem and the calls that it comes of; `DMA_IN_USE` while another one is under way in the process;
 * `DMA_INVALID_ARGUMENT`; what the scenario throws where nothing fails
 * @example
 * ```ts
 * const { runs } = await failNth(
 *   (machine) => {
 *     using device = openVfioDevice('0000:00:04.0', { kernel: machine.kernel })
 *   },
 *   { prepare: (machine) => void machine.addDevice(new EduDevice(), { address: '0000:00:04.0' }) },
 * )
 * ```
 */
export async function failNth(
  scenario: FailNthScenario,
  options: FailNthOptions = {},
): Promise<FailNthResult> {
  const sweep = new Sweep(scenario, checkFailNth(scenario, options))
  const { uncaught } = sweep
  const result = await uncaught.during(() => sweep.run())
  if (result.failures.length === 0 || options.collect) return result
  throw new FailNthError(result)
}

/** All runs of one scenario. */
class Sweep {
  readonly uncaught = new Uncaught()
  readonly #scenario: FailNthScenario
  readonly #options: CheckedFailNth
  /** What devices are refused where no call fails: the scenario means it. */
  #expectedFaults: ReadonlySet<string> = new Set()

  constructor(scenario: FailNthScenario, options: CheckedFailNth) {
    this.#scenario = scenario
    this.#options = options
  }

  async run(): Promise<FailNthResult> {
    const { verbs, errnos, oncePerPlace, onRun } = this.#options
    const calls = await this.#countCalls()
    checkMeant(verbs, calls)
    const meant = calls.filter(({ syscall }) => verbs.some((verb) => isMeant(verb, syscall)))
    const runs: FailNthRun[] = []
    for (const call of oncePerPlace ? firstOfEachPlace(meant) : meant) {
      for (const code of errnos(call)) {
        const run = await this.#runFailing(call, code)
        runs.push(run)
        onRun(run)
      }
    }
    const failures = runs
      .filter(({ wrong }) => wrong.length > 0)
      .map((run) => ({ ...run, what: run.wrong.join('\n') }))
    const coped = runs.filter(({ error, wrong }) => error === undefined && wrong.length === 0).length
    return { calls, runs: runs.length, coped, failures }
  }

  /** Runs the scenario with nothing failing. */
  async #countCalls(): Promise<FailNthCall[]> {
    const machine = await this.#makeMachine()
    const before = baselineOf(machine)
    const calls: FailNthCall[] = []
    const counts = new Map<string, number>()
    machine.faultPlan.observe((syscall, path) => {
      const nth = (counts.get(syscall) ?? 0) + 1
      counts.set(syscall, nth)
      calls.push({ syscall, nth, path, at: callSite(), stack: wholeStack() })
    })
    const outcome = await this.#runOn(machine)
    machine.faultPlan.observe(undefined)
    if (outcome.kind === 'failed') throw outcome.error
    this.#expectedFaults = refusedKinds(machine)
    const wrong = outcome.kind === 'hung' ? [outcome.why] : this.#aftermath(machine, before)
    if (wrong.length === 0) return calls
    throw new DmaError('DMA_FAIL_NTH', `the scenario goes wrong where no call fails:\n${wrong.join('\n')}`)
  }

  async #runFailing(call: FailNthCall, code: string): Promise<FailNthRun> {
    const { syscall, nth, path } = call
    const machine = await this.#makeMachine()
    const before = baselineOf(machine)
    machine.failCall({ syscall, nth, code })
    const outcome = await this.#runOn(machine)
    const error = outcome.kind === 'failed' ? outcome.error : undefined
    const wrong = this.#judge(machine, outcome, { syscall, code, path })
    if (outcome.kind !== 'hung') wrong.push(...this.#aftermath(machine, before))
    if (wrong.length === 0) wrong.push(...(await this.#runAgain(machine, before)))
    return { ...call, code, error, wrong }
  }

  #judge(machine: FakeMachineCore, outcome: Outcome, failed: Failed): string[] {
    const wrong: string[] = []
    if (outcome.kind === 'hung') wrong.push(`hangs: ${outcome.why}`)
    if (machine.faultPlan.pending.length > 0)
      wrong.push('did not make this call: it is another one each time')
    if (outcome.kind !== 'failed' || this.#options.isClear(outcome.error)) return wrong
    const why = unclear(outcome.error, failed)
    return why === undefined ? wrong : [...wrong, why]
  }

  /** What is wrong with a machine on which a scenario has ended. */
  #aftermath(machine: FakeMachineCore, before: ReturnType<typeof baselineOf>): string[] {
    const wrong = leftOver(machine, before)
    for (const error of this.uncaught.take()) wrong.push(`nobody caught: ${String(error)}`)
    if (this.#options.allowDmaErrors) return wrong
    const misuses = machine.dmaErrors.map(({ message }) => `misused DMA: ${message}`)
    return [...wrong, ...misuses, ...refusedAccesses(machine, this.#expectedFaults)]
  }

  /** Whether the machine can still be used. */
  async #runAgain(machine: FakeMachineCore, before: ReturnType<typeof baselineOf>): Promise<string[]> {
    const outcome = await this.#runOn(machine)
    if (outcome.kind === 'hung') return [`hangs on the same machine afterwards: ${outcome.why}`]
    if (outcome.kind === 'failed') return [`fails on the same machine afterwards: ${String(outcome.error)}`]
    return this.#aftermath(machine, before).map((line) => `after another run, ${line}`)
  }

  async #runOn(machine: FakeMachineCore): Promise<Outcome> {
    const scenario = this.#scenario
    const outcome = await runToEnd(() => scenario(machine), machine.clock, this.#options)
    await letSettle(machine.clock)
    return outcome
  }

  async #makeMachine(): Promise<FakeMachineCore> {
    const machine = createFakeMachine(this.#options.machine) as FakeMachineCore
    await this.#options.prepare(machine)
    return machine
  }
}

function firstOfEachPlace(calls: readonly FailNthCall[]): FailNthCall[] {
  const places = new Map<string, FailNthCall>()
  for (const call of calls) {
    const place = `${call.syscall} ${call.stack}`
    if (!places.has(place)) places.set(place, call)
  }
  return [...places.values()]
}

function checkMeant(verbs: readonly (string | RegExp)[], calls: readonly FailNthCall[]): void {
  if (verbs === everyCall) return
  const made = [...new Set(calls.map(({ syscall }) => syscall))]
  for (const verb of verbs) {
    if (made.some((syscall) => isMeant(verb, syscall))) continue
    throw new DmaError('DMA_INVALID_ARGUMENT', `the scenario makes no call that is meant by ${verb}`, {
      hint: `it makes: ${made.join(', ')}`,
    })
  }
}
