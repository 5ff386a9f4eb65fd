import { checkInteger, checkOptionNames } from '../arguments'
import { invalidArgument, isErrnoName } from '../errors'
import { linuxErrnos } from './errnos'
import type { FailNthCall, FailNthOptions, FailNthScenario } from './types'

/** The options with everything decided. */
export interface CheckedFailNth extends Required<Omit<FailNthOptions, 'errnos'>> {
  readonly errnos: (call: FailNthCall) => readonly string[]
}

/** All of them, also where there are none. */
export const everyCall: readonly RegExp[] = [/^/]

const defaults: CheckedFailNth = {
  machine: {},
  prepare: () => {},
  verbs: everyCall,
  errnos: linuxErrnos,
  oncePerPlace: false,
  isClear: () => false,
  allowDmaErrors: false,
  timeoutMilliseconds: 10_000,
  hostMilliseconds: 2_000,
  onRun: () => {},
  collect: false,
}

/** Fills in the defaults. @throws `DMA_INVALID_ARGUMENT` */
export function checkFailNth(scenario: FailNthScenario, options: FailNthOptions): CheckedFailNth {
  if (typeof scenario !== 'function') invalidArgument('failNth: the scenario is no function')
  checkOptionNames(options, Object.keys(defaults), 'failNth')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const checked = { ...defaults, ...given }
  for (const name of ['prepare', 'isClear', 'onRun'] as const) {
    if (typeof checked[name] !== 'function') invalidArgument(`${name} is no function`)
  }
  for (const name of ['oncePerPlace', 'allowDmaErrors', 'collect'] as const) {
    if (typeof checked[name] !== 'boolean') invalidArgument(`${name} is neither true nor false`)
  }
  for (const name of ['timeoutMilliseconds', 'hostMilliseconds'] as const)
    checkInteger(checked[name], name, 1)
  checkVerbs(checked.verbs)
  return { ...checked, errnos: errnosOf(options.errnos ?? linuxErrnos) }
}

function checkVerbs(verbs: readonly (string | RegExp)[]): void {
  const right = (verb: unknown) => typeof verb === 'string' || verb instanceof RegExp
  if (!Array.isArray(verbs) || verbs.length === 0 || !verbs.every(right)) {
    invalidArgument('verbs is no array of names and patterns')
  }
}

function oneInTurn(): CheckedFailNth['errnos'] {
  let turn = 0
  return (call) => {
    const all = linuxErrnos(call)
    return all.length === 0 ? [] : [all[turn++ % all.length]!]
  }
}

function errnosOf(errnos: NonNullable<FailNthOptions['errnos']>): CheckedFailNth['errnos'] {
  if (typeof errnos === 'function') return errnos
  if (errnos === 'one') return oneInTurn()
  if (!Array.isArray(errnos)) invalidArgument('errnos is neither an array nor a function')
  for (const code of errnos)
    if (!isErrnoName(code)) invalidArgument(`the fake kernel knows no errno '${code}'`)
  return () => errnos
}
