import { LabError } from './lab-error.mjs'
import { run } from './processes.mjs'

/**
 * Lists the shared libraries a program or library is loaded with, the loader included.
 * @param {string} file
 * @returns {string[]} absolute paths, as the loader looks for them; empty for a static program
 * @throws {LabError} if one is missing on this machine
 */
export function listLibraries(file) {
  // ldd ends with status 1 for a static program.
  const text = run('ldd', [file], { accept: (status) => status <= 1, hint: 'install ldd (package libc-bin)' })
  return parseLdd(text, file)
}

/**
 * Reads what ldd prints.
 * @param {string} text
 * @param {string} file for the message
 * @returns {string[]}
 */
export function parseLdd(text, file) {
  return text.split('\n').flatMap((line) => {
    if (line.includes('not found'))
      throw new LabError(`${file} needs a library that is not here: ${line.trim()}`)
    const match = /^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)
    return match?.[1] ? [match[1]] : []
  })
}
