/**
 * A value as whoever passed it would write it: what is text, a bigint or a number is told apart, since to take one for another is
 * the usual mistake. Objects go by what they are.
 */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value}'`
    case 'bigint':
      return `${value}n`
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : withArticle(nameOf(value))
    default:
      return String(value)
  }
}

function nameOf(value: object): string {
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'Object'
}

function withArticle(name: string): string {
  return `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`
}
