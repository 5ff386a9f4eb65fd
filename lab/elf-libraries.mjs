import { LabError } from './lab-error.mjs'
import { run } from './processes.mjs'

/**
 * Lists the shared libraries a program or library is loaded with, the loader included.
 * @param {string} file
 * @returns {string[]} absolute paths, as the loader looks for them; empty for a static program
 * @throws {LabError} if one is missing on this machine
 */
export function listLibraries(file) {
  return parseLdd(ldd(file), file)
}

/**
 * Lists the shared libraries a program needs and this machine does not have.
 * @param {string} file
 * @returns {string[]} their names
 */
export function missingLibraries(file) {
  return parseMissing(ldd(file))
}

/**
 * Reads what ldd prints of libraries that are not there.
 * @param {string} text
 * @returns {string[]}
 */
export function parseMissing(text) {
  return [...text.matchAll(/^\s*(\S+) => not found$/gm)].map((match) => /** @type {string} */ (match[1]))
}

/** @param {string} file */
function ldd(file) {
  // It ends with status 1 for a static program.
  return run('ldd', [file], { accept: (status) => status <= 1, hint: 'install ldd (package libc-bin)' })
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
