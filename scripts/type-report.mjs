import path from 'node:path'

/**
 * What is said of files whose types were checked: nothing where the compiler has said all. Silence is no answer to who does not know
 * whether anything was looked at.
 */
export function typeReport(status, files) {
  if (status !== 0) return undefined
  return `the types are right: ${files.map((file) => path.basename(file)).join(', ')}`
}
