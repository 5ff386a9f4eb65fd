import { DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  type FileDescriptor,
} from '@linux-dma/native'
import { accessOf, readDescriptorInfo } from '../dma-buf/info'
import { raiseLimit, readLimits } from './limits'
import { nameOfPiece, type Piece, sizeOf } from './pieces'

const MEBIBYTE = 1024 * 1024

/**
 * Looks at memfds before the kernel does, whose answer to most of what may be wrong is EINVAL: once at each, for the piece
 * that goes furthest in it.
 * @throws DMA_NOT_MEMFD, DMA_NOT_SEALED, DMA_SEALED, DMA_RANGE; DMA_READ_ONLY where the kernel would make a writable buffer of
 *   memory that its owner gave for reading
 */
export function assertMemfds(
  kernel: Kernel,
  pieces: readonly Piece[],
  wanted: (piece: Piece) => boolean = () => true,
): void {
  const furthest = new Map<FileDescriptor, number>()
  for (const [index, piece] of pieces.entries()) {
    if (!wanted(piece)) continue
    const known = pieces[furthest.get(piece.fd) ?? index]!
    if (endOf(piece) >= endOf(known)) furthest.set(piece.fd, index)
  }
  for (const index of furthest.values()) assertMemfd(kernel, pieces[index]!, nameOfPiece(pieces, index))
}

function endOf({ offset, size }: Piece): number {
  return offset + size
}

function assertMemfd(kernel: Kernel, { fd, offset, size, memory }: Piece, of: string): void {
  const seals = sealsOf(kernel, fd, of)
  if ((seals & F_SEAL_SHRINK) === 0) {
    // A file of tmpfs answers too, and takes no seals.
    if (!pathOf(kernel, fd).startsWith('/memfd:')) throw notMemfd(kernel, fd, of)
    throw new DmaError(
      'DMA_NOT_SEALED',
      `${of}: the memfd ${fd} could shrink, and a udmabuf keeps its pages`,
      {
        hint: `add the seal first, after ftruncate(): kernel.addSeals(${fd}, F_SEAL_SHRINK); it has to be made with MFD_ALLOW_SEALING`,
      },
    )
  }
  if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) {
    throw new DmaError(
      'DMA_SEALED',
      `${of}: ${memory ? 'the memory' : `the memfd ${fd}`} is sealed against writing`,
      {
        hint: 'no writable buffer is made of it. Was one made of it before? that seals it, unless it is told { seal: false }: use duplicate() of that buffer, or make all buffers before the seal',
      },
    )
  }
  const access = accessOf(readDescriptorInfo(kernel, 'self', fd))
  if (access !== 'read-write') {
    throw new DmaError(
      'DMA_READ_ONLY',
      `${of}: the memfd ${fd} is open for ${access === 'read' ? 'reading' : 'writing'} only`,
      {
        hint: 'the kernel would make a buffer of it that can be read and written: open it for reading and writing',
      },
    )
  }
  if (kernel.read(fd, new Uint8Array(1), offset + size - 1) === 1) return
  throw new DmaError('DMA_RANGE', `${of}: ${size} bytes from ${offset} on end beyond the memfd ${fd}`, {
    hint: 'make the file long enough first: ftruncate()',
  })
}

/** Before the first is sealed, which cannot be taken back. @throws DMA_SEALED where one takes no seal */
export function assertSealable(kernel: Kernel, pieces: readonly Piece[]): void {
  const numbers = pieces.map(({ fd }) => fd)
  for (const fd of new Set(numbers)) {
    const of = nameOfPiece(pieces, numbers.indexOf(fd))
    if ((sealsOf(kernel, fd, of) & F_SEAL_SEAL) === 0) continue
    throw new DmaError('DMA_SEALED', `${of}: the memfd ${fd} takes no further seals (F_SEAL_SEAL)`, {
      hint: 'leave { seal } out: whoever made it has decided what may be done to it',
    })
  }
}

/** What the kernel meant by EINVAL, where more can be told: nothing has been made by then. */
export function explainRefusal(kernel: Kernel, error: unknown, pieces: readonly Piece[]): unknown {
  if (isDmaError(error, 'ENOMEM')) return outOfMemory(error, pieces)
  if (!isDmaError(error, 'EINVAL') && !isDmaError(error, 'EBADFD')) return error
  try {
    assertLimits(kernel, pieces, error)
    assertMemfds(kernel, pieces)
  } catch (reason) {
    // What stands in the way of finding out is not what is wrong.
    return (reason as { code?: string }).code?.startsWith('DMA_') ? reason : error
  }
  return error
}

function assertLimits(kernel: Kernel, pieces: readonly Piece[], cause: unknown): void {
  const limits = readLimits(kernel)
  const size = sizeOf(pieces)
  if (pieces.length > limits.pieces) {
    throw new DmaError(
      'DMA_TOO_MANY',
      `a udmabuf has at most ${limits.pieces} pieces, not ${pieces.length}`,
      {
        hint: `make larger pieces, or several buffers; ${raiseLimit('list_limit', pieces.length)}`,
        cause,
      },
    )
  }
  if (size <= limits.size) return
  throw new DmaError('DMA_TOO_LARGE', `a udmabuf has at most ${limits.size} bytes, not ${size}`, {
    hint: `make several; ${raiseLimit('size_limit_mb', Math.ceil(size / MEBIBYTE))}`,
    cause,
  })
}

function outOfMemory(error: DmaError, pieces: readonly Piece[]): DmaError {
  const { errno, syscall } = error
  return new DmaError(error.code, `no memory for a udmabuf of ${sizeOf(pieces)} bytes`, {
    hint: 'its pages are all taken at once, and stay; huge pages have to be in the pool: see HugePages_Free in /proc/meminfo',
    ...{ errno, syscall, cause: error },
  })
}

/** @throws DMA_NOT_MEMFD */
function sealsOf(kernel: Kernel, fd: number, of: string): number {
  try {
    return kernel.getSeals(fd)
  } catch (cause) {
    if (!isDmaError(cause, 'EINVAL') && !isDmaError(cause, 'EBADF')) throw cause
    throw notMemfd(kernel, fd, of, cause)
  }
}

function notMemfd(kernel: Kernel, fd: FileDescriptor, of: string, cause?: DmaError): DmaError {
  const what = cause?.code === 'EBADF' ? 'not open' : `of ${pathOf(kernel, fd)}, which is no memfd`
  return new DmaError('DMA_NOT_MEMFD', `${of}: descriptor ${fd} is ${what}`, {
    hint: 'a udmabuf is made of memfds: allocateDmaMemory() makes one; copy other memory into it',
    cause,
  })
}

function pathOf(kernel: Kernel, fd: number): string {
  try {
    return kernel.readLink(`/proc/self/fd/${fd}`)
  } catch {
    return 'a file without a name'
  }
}
