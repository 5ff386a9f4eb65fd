import { parseArgs } from 'node:util'

/** What `lsuio` was asked for. */
export interface LsuioArguments {
  readonly help: boolean
  readonly version: boolean
  readonly verbose: boolean
  readonly json: boolean
  /** Which devices; none stands for all. */
  readonly devices: readonly string[]
}

/**
 * Reads the arguments behind `lsuio`.
 * @throws TypeError of Node.js, with a message for people, for an option that there is not
 */
export function parseArguments(args: readonly string[]): LsuioArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'V', default: false },
      verbose: { type: 'boolean', short: 'v', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  return { ...values, devices: positionals }
}
