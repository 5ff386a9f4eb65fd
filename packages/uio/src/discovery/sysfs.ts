import { isDmaError, type Kernel } from '@linux-dma/core'

/** Where sysfs keeps UIO devices, by node. */
export const UIO_CLASS = '/sys/class/uio'

/** Numbers that sysfs writes: decimal, or hexadecimal behind 0x. */
export function readNumber(kernel: Kernel, path: string): number {
  return Number(kernel.readText(path).trim())
}

/** The text of an attribute that not every kernel or driver has. */
export function readOptional(kernel: Kernel, path: string): string | undefined {
  return orAbsent(() => kernel.readText(path).trim())
}

/** Numbers of the entries `prefixN` of a directory, ascending; none where there is no such directory. */
export function numbersIn(kernel: Kernel, folder: string, prefix: string): number[] {
  const names = orAbsent(() => kernel.list(folder)) ?? []
  const numbers = names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : ''))
  return numbers
    .filter((digits) => /^\d+$/.test(digits))
    .map(Number)
    .sort((a, b) => a - b)
}

/** Where a link leads, as an absolute path; undefined where there is none, or no link: old kernels have directories there. */
export function resolveLink(kernel: Kernel, path: string): string | undefined {
  const target = orAbsent(() => kernel.readLink(path), ['ENOENT', 'EINVAL'])
  if (target === undefined || target.startsWith('/')) return target
  const parts = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

function orAbsent<Value>(read: () => Value, codes = ['ENOENT']): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (codes.some((code) => isDmaError(error, code))) return undefined
    throw error
  }
}
