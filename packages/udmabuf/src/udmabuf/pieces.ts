import {
  assertByteLength,
  assertOptions,
  assertRange,
  DmaError,
  type DmaMemory,
  explained,
  type Kernel,
  memoryOf,
} from '@linux-dma/core'
import type { UdmabufItem } from '../abi'
import { assertPages } from '../dma-buf/map-range'
import { isOfPieces, listOf, type UdmabufOptions, type UdmabufPiece } from './options'

/** A piece that is known to be right as far as can be told without the kernel. */
export interface Piece extends UdmabufItem {
  /** Undefined for a memfd that somebody else keeps. */
  readonly memory: DmaMemory | undefined
  /** Whether it names its memory, and no part of it. */
  readonly whole: boolean
}

/**
 * @throws DMA_INVALID_ARGUMENT, DMA_RANGE, DMA_ALIGNMENT; DMA_CLOSED, DMA_QUARANTINED; DMA_NOT_DMA_MEMORY; DMA_WRONG_KERNEL
 */
export function checkPieces(list: readonly UdmabufPiece[], kernel: Kernel): Piece[] {
  if (!Array.isArray(list) || list.length === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'createUdmabuf: a buffer is made of one piece or more', {
      hint: 'list: [{ memory, offset, size }, …]',
    })
  }
  return list.map((piece, index) => checkPiece(piece, nameOfPiece(list, index), kernel))
}

/** What an error calls a piece. */
export function nameOfPiece(list: readonly unknown[], index: number): string {
  return list.length === 1 ? 'the piece' : `list[${index}]`
}

/** Bytes in all pieces together. */
export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { size }) => sum + size, 0)
}

/** The kernel that has the memory of the first piece that is memory; undefined where there are only descriptors. */
export function kernelOf(options: UdmabufOptions): Kernel | undefined {
  if (!isOfPieces(options)) return undefined
  const list = listOf(options)
  for (const piece of Array.isArray(list) ? list : []) {
    const memory = (piece as { memory?: unknown } | null)?.memory
    if (memory !== undefined) return resolve(memory, 'the piece').memory.kernel
  }
  return undefined
}

function checkPiece(piece: UdmabufPiece, of: string, kernel: Kernel): Piece {
  if (ArrayBuffer.isView(piece) || typeof (piece as Partial<DmaMemory> | null)?.assertOpen === 'function') {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `${of} is memory, and not an object that says which part of it`,
      {
        hint: 'put it into braces: { memory }, with offset and size where it is a part',
      },
    )
  }
  assertOptions(of, piece, ['memory', 'fd', 'offset', 'size'])
  if ('fd' in piece && piece.fd !== undefined) return checkMemfdPiece(piece, of, kernel)
  const { memory, start, length } = resolve((piece as { memory?: unknown }).memory, of)
  memory.assertOpen()
  if (memory.kernel !== kernel) {
    throw new DmaError(
      'DMA_WRONG_KERNEL',
      `${of}: the memory is of another kernel object, ${memory.kernel.name}`,
      {
        hint: 'leave { kernel } out: a buffer is made by the kernel that has its memory',
      },
    )
  }
  const { offset = 0, size = length - offset } = piece
  const whole = !ArrayBuffer.isView(piece.memory) && piece.offset === undefined && piece.size === undefined
  assertRange(of, offset, size, length)
  assertPages(of, kernel.pageSize, start + offset, size)
  return { fd: memory.fd, offset: start + offset, size, memory, whole }
}

function checkMemfdPiece(
  { fd, offset = 0, size, ...rest }: { fd: number; offset?: number; size: number },
  of: string,
  kernel: Kernel,
): Piece {
  const fine = Number.isInteger(fd) && fd >= 0 && (rest as { memory?: unknown }).memory === undefined
  if (!fine || !Number.isSafeInteger(offset) || offset < 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: descriptor ${String(fd)} from ${String(offset)} on`, {
      hint: 'a piece is { memory, offset, size } or { fd, offset, size }, in bytes',
    })
  }
  assertByteLength(`${of}: size`, size)
  assertRange(of, offset, size, Number.MAX_SAFE_INTEGER)
  assertPages(of, kernel.pageSize, offset, size)
  return { fd, offset, size, memory: undefined, whole: false }
}

/** @throws DMA_NOT_DMA_MEMORY, and what else `memoryOf` does */
function memoryBehind(view: ArrayBufferView) {
  return explained(() => memoryOf(view), {
    DMA_NOT_DMA_MEMORY: () => ({
      message: 'the view is not of DMA memory: no dma-buf can be made of its bytes',
      hint: 'allocateDmaMemory() makes memory for that: copy into it; or createUdmabuf({ size }), and write within cpuAccess()',
    }),
  })
}

/** The memory that is meant, and which part of it. */
function resolve(given: unknown, of: string): { memory: DmaMemory; start: number; length: number } {
  if (ArrayBuffer.isView(given)) {
    const { memory, range } = memoryBehind(given)
    return { memory, start: range.byteOffset - memory.bytes.byteOffset, length: range.byteLength }
  }
  const memory = given as DmaMemory
  if (typeof memory?.assertOpen === 'function' && typeof memory.byteLength === 'number') {
    return { memory, start: 0, length: memory.byteLength }
  }
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of} has neither DMA memory nor a descriptor`, {
    hint: 'memory is what allocateDmaMemory() returned, or a view of its bytes; for a memfd say { fd, size }',
  })
}
