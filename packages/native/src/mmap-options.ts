import type { MmapOptions } from './memory-mapping'
import { checkInteger, checkOptions, invalidArgument } from './validate'

/** What {@link MmapOptions} come to once they are checked. */
export interface Range {
  byteLength: number
  position: number
  writable: boolean
}

/**
 * Reads each option once, so that a getter cannot answer twice.
 * @throws DMA_INVALID_ARGUMENT
 */
export function checkMmapOptions(of: string, options: MmapOptions, pageSize: number): Range {
  if (options === undefined) throw invalidArgument(`${of}: options`, options, 'an object with a byteLength')
  const {
    byteLength,
    position = 0,
    access = 'read-write',
  } = checkOptions(of, options, ['byteLength', 'position', 'access'])
  checkInteger('byteLength', byteLength, 1, Number.MAX_SAFE_INTEGER)
  // The end too is a safe integer: nothing after this overflows.
  checkInteger('position', position, 0, Number.MAX_SAFE_INTEGER - byteLength)
  if (position % pageSize !== 0)
    throw invalidArgument('position', position, `a multiple of the page size, ${pageSize}`)
  if (access !== 'read' && access !== 'read-write')
    throw invalidArgument('access', access, `'read' or 'read-write'`)
  return { byteLength, position, writable: access === 'read-write' }
}
