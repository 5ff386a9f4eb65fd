import { constants } from 'node:os'

/** What a signal mostly means for a program that has memory of devices and of others mapped. @type {Map<string, string>} */
const hints = new Map([
  ['SIGSEGV', 'memory that is mapped for reading only was written, for one: no error can be thrown for that'],
  [
    'SIGBUS',
    'what was mapped is gone: a file that became shorter under its mapping, or a device off the bus',
  ],
  ['SIGKILL', 'the machine had no memory left, for one; --memory gives that of the lab more'],
])

/**
 * Tells which signal an exit status stands for, as shells have it: 128 and the signal's number.
 * @param {number | undefined} status
 * @returns {{ name: string, hint: string | undefined } | undefined} undefined: the program ended by itself
 */
export function signalOf(status) {
  const found = Object.entries(constants.signals).find(([, number]) => status === 128 + number)
  return found && { name: found[0], hint: hints.get(found[0]) }
}
