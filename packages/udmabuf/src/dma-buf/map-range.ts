import { assertOptions, assertRange, DmaError } from '@linux-dma/core'
import type { DmaBuf } from './dma-buf'

/** What to map of a buffer: see {@link DmaBuf.map}. All of it by default. */
export interface DmaBufMapOptions {
  /** Default: what the buffer permits. With `read`, a write through the bytes ends the process. */
  access?: 'read' | 'read-write'
  /** Bytes from the start of the buffer, a multiple of the page size. Default 0. */
  offset?: number
  /** Bytes, a multiple of the page size. Default: all from there on. */
  size?: number
}

/** @throws DMA_READ_ONLY, DMA_RANGE, DMA_ALIGNMENT, DMA_INVALID_ARGUMENT */
export function mapRange(buffer: DmaBuf, options: DmaBufMapOptions) {
  assertOptions('map', options, ['access', 'offset', 'size'])
  const { access = buffer.access, offset = 0, size = buffer.size - offset } = options
  if (access !== 'read' && access !== 'read-write') {
    throw new DmaError('DMA_INVALID_ARGUMENT', `map: access is '${String(access)}'`, {
      hint: "it is 'read' or 'read-write'",
    })
  }
  if (access === 'read-write' && buffer.access === 'read') {
    throw new DmaError('DMA_READ_ONLY', 'map: the dma-buf was made for reading', {
      hint: "map({ access: 'read' }), and write nothing there; who makes the buffer can ask for more",
    })
  }
  assertRange('the dma-buf', offset, size, buffer.size)
  assertPages('map', buffer.kernel.pageSize, offset, size)
  return { access, position: offset, byteLength: size }
}

/** @throws DMA_ALIGNMENT where an offset or a length is not of whole pages */
export function assertPages(of: string, pageSize: number, offset: number, size: number): void {
  if (offset % pageSize === 0 && size % pageSize === 0) return
  const [name, value] = offset % pageSize === 0 ? ['size', size] : ['offset', offset]
  throw new DmaError(
    'DMA_ALIGNMENT',
    `${of}: ${name} ${value} is no multiple of the page size, ${pageSize}`,
    {
      hint: `the next ones are ${value - (value % pageSize)} and ${value - (value % pageSize) + pageSize}`,
    },
  )
}
