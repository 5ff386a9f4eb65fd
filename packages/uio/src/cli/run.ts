import { help } from './help'
import { type LsuioOptions, lsuio } from './lsuio'

/**
 * The program `uio`: one command so far, `lsuio`.
 * @param args what stands behind its name
 * @returns the exit status
 */
export function run(args: readonly string[], options: LsuioOptions): number {
  const [command, ...rest] = args
  if (command === 'lsuio') return lsuio(rest, options)
  if (command?.startsWith('-')) return lsuio(args, options)
  const what =
    command === undefined
      ? "a command is missing, and the only one is 'lsuio'"
      : `there is no command '${command}', only 'lsuio'`
  options.stderr.write(`uio: ${what}\n\n${help}`)
  return 2
}
