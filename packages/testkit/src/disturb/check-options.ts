import { checkInteger, checkMilliseconds, checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import type { DisturbanceOptions } from './options'

/** Refuses a value. */
type Check = (value: unknown, name: string) => void

/** What a kind of disturbance can be told, and what it has to be told. */
interface Form {
  readonly known: Readonly<Record<string, Check>>
  readonly needed: readonly string[]
}

const count: Check = (value, name) => checkInteger(value, name, 1)
const whole: Check = (value, name) => checkInteger(value, name, 0)
const signed: Check = (value, name) => {
  checkInteger(value, name, -Number.MAX_SAFE_INTEGER)
  if (value === 0) invalidArgument(`${name} is 0, which disturbs nothing`)
}
const milliseconds: Check = (value, name) => checkMilliseconds(value, name)
const someMilliseconds: Check = (value, name) => {
  if (checkMilliseconds(value, name) === 0) invalidArgument(`${name} is 0: give a number above it`)
}
const vector: Check = (value, name) => checkInteger(value, name, 0, 2047)
const bar: Check = (value, name) => checkInteger(value, name, 0, 5)
const oneOf =
  (...choices: readonly unknown[]): Check =>
  (value, name) => {
    if (!choices.includes(value))
      invalidArgument(`${name} is ${String(value)}`, `use ${choices.join(' or ')}`)
  }
const share: Check = (value, name) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
    invalidArgument(`${name} is ${String(value)}, not a number from 0 to 1`)
  }
}
const mask: Check = (value, name) => {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
  const bits = isWhole ? BigInt(value as number | bigint) : 0n
  if (bits < 1n || bits >= 1n << 64n)
    invalidArgument(`${name} is ${String(value)}, not a mask of 1 to 64 bits`)
}

const window = { afterMilliseconds: milliseconds, forMilliseconds: someMilliseconds }
const timing = {
  ...{ nth: count, every: count, probability: share, atMost: count },
  ...{ ...window, seed: ((value, name) => checkInteger(value, name, 0, 0xffff_ffff)) as Check },
}
const sizes = { minimumByteLength: whole, maximumByteLength: whole }

const interrupts = (own: Form['known'] = {}, ...needed: string[]): Form => ({
  known: { vector, ...own, ...timing },
  needed,
})
const transfers = (own: Form['known'] = {}, ...needed: string[]): Form => ({
  known: { ...own, ...sizes, ...timing },
  needed,
})
const registers = (own: Form['known'], ...needed: string[]): Form => ({
  known: { bar, ...own, ...timing },
  needed,
})

const atLeastTwo: Check = (value, name) => checkInteger(value, name, 2)
const ends = transfers({ byteLength: count }, 'byteLength')
const elsewhere = transfers({ byteOffset: signed }, 'byteOffset')
const flips = transfers({ bitCount: count })
const within = { withinMilliseconds: someMilliseconds }

const forms: Readonly<Record<string, Readonly<Record<string, Form>>>> = {
  interrupt: {
    lost: interrupts(),
    twice: interrupts({ byMilliseconds: milliseconds }),
    late: interrupts({ byMilliseconds: someMilliseconds }, 'byMilliseconds'),
    coalesced: interrupts({ interrupts: atLeastTwo, ...within }, 'interrupts'),
    reordered: interrupts(within),
    spurious: {
      known: { everyMilliseconds: someMilliseconds, vector, atMost: count, ...window },
      needed: [],
    },
  },
  dmaWrite: {
    lost: transfers(),
    late: transfers({ byMilliseconds: someMilliseconds }, 'byMilliseconds'),
    twice: transfers({ byMilliseconds: milliseconds }),
    ...{ past: ends, short: ends, misplaced: elsewhere, flipped: flips },
  },
  dmaRead: { stale: transfers(), short: ends, misplaced: elsewhere, flipped: flips },
  register: {
    late: registers({ byteOffset: whole, reads: count }, 'byteOffset', 'reads'),
    stuck: registers({ byteOffset: whole, bits: mask, level: oneOf(0, 1) }, 'byteOffset', 'bits', 'level'),
    ones: registers({ byteOffset: whole }),
    lost: registers({ byteOffset: whole }),
  },
  link: {
    down: { known: { ...window, comesBack: oneOf('as-it-was', 'reset') }, needed: [] },
    removed: { known: { afterMilliseconds: milliseconds }, needed: [] },
  },
}

/** Refuses what is no disturbance, and takes a copy of what is one. @throws `DMA_INVALID_ARGUMENT` */
export function checkDisturbance(options: DisturbanceOptions): DisturbanceOptions {
  const subjects = Object.keys(forms)
  const given: Record<string, unknown> = { ...(options as object) }
  const [subject, another] = subjects.filter((one) => Object.hasOwn(given, one))
  if (subject === undefined) {
    invalidArgument('disturb: nothing is said to be disturbed', `use one of: ${subjects.join(', ')}`)
  }
  if (another !== undefined) {
    invalidArgument(
      `disturb: both '${subject}' and '${another}'`,
      'set up two disturbances: they work together',
    )
  }
  const kinds = forms[subject]!
  const kind = given[subject]
  const owner = `disturb: ${subject} '${String(kind)}'`
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) {
    invalidArgument(`${owner} is not known`, `use one of: ${Object.keys(kinds).join(', ')}`)
  }
  checkForm(given, subject, kinds[kind]!, owner)
  return given as unknown as DisturbanceOptions
}

function checkForm(
  given: Record<string, unknown>,
  subject: string,
  { known, needed }: Form,
  owner: string,
): void {
  checkOptionNames(given, [subject, ...Object.keys(known)], owner)
  for (const [name, check] of Object.entries(known)) {
    if (given[name] !== undefined) check(given[name], `${owner}: ${name}`)
    else if (needed.includes(name)) invalidArgument(`${owner} needs ${name}`)
  }
  const chosen = ['nth', 'every', 'probability'].filter((name) => given[name] !== undefined)
  if (chosen.length > 1) invalidArgument(`${owner}: both ${chosen.join(' and ')}`, 'give one of them')
}
