import { closeAll, isDmaError, type Kernel } from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE, type FileDescriptor, type MemoryMapping } from '@linux-dma/native'
import { assertAvailable } from '../dma-buf/available-memory'
import { counted } from '../dma-buf/budget'
import { DmaBuf } from '../dma-buf/dma-buf'
import { setName } from '../dma-buf/name'
import type { UdmabufDevice } from './device'
import { assertShape, isOfPieces, listOf, type UdmabufOptions, type UdmabufSizeOptions } from './options'
import { checkPieces, type Piece, sizeOf } from './pieces'
import { assertMemfds, assertSealable } from './refusal'

/**
 * Looks at all that can be known before `/dev/udmabuf` is asked; what it returns then asks it.
 * @throws what {@link createUdmabuf} says of options and pieces
 */
export function prepare(kernel: Kernel, options: UdmabufOptions): (device: UdmabufDevice) => DmaBuf {
  assertShape(options)
  if (!isOfPieces(options)) return (device) => ofNewMemory(device, options)
  const pieces = checkPieces(listOf(options), kernel)
  if (options.seal) assertSealable(kernel, pieces)
  assertMemfds(kernel, pieces, ({ memory }) => memory === undefined)
  return (device) => ofPieces(device, pieces, options)
}

/** Nobody has the memfd any more when this returns: that is better than any seal. */
function ofNewMemory(device: UdmabufDevice, options: UdmabufSizeOptions): DmaBuf {
  const { kernel } = device
  const { size: asked, hugePageSize, name, budget } = options
  const unit = hugePageSize ?? kernel.pageSize
  const size = Math.ceil(asked / unit) * unit
  // Of huge pages there are as many as were set aside: the kernel says where they do not do.
  if (hugePageSize === undefined) assertAvailable(kernel, size)
  return counted(budget, size, (share) => {
    const memory = hugePageSize === undefined ? { byteLength: size } : { byteLength: size, hugePageSize }
    const memfd = kernel.memfd(name ?? 'udmabuf', memory)
    // The kernel takes huge pages out of what is reserved, and reserves them for a mapping alone: without one its account goes below zero.
    let reservation: MemoryMapping | undefined
    let fd: FileDescriptor | undefined
    try {
      if (hugePageSize !== undefined) reservation = kernel.mmap(memfd, { byteLength: size })
      const pieces = [{ fd: memfd, offset: 0, size, memory: undefined, whole: true }]
      fd = make(device, pieces, name, false)
    } finally {
      closeOrUndo([() => reservation?.close(), () => kernel.close(memfd)], () => {
        if (fd !== undefined) kernel.close(fd)
      })
    }
    return new DmaBuf(kernel, fd, { size, budget: share })
  })
}

function ofPieces(
  device: UdmabufDevice,
  pieces: readonly Piece[],
  { name, seal, budget }: Pick<UdmabufOptions, 'name' | 'seal' | 'budget'>,
): DmaBuf {
  const size = sizeOf(pieces)
  return counted(budget, size, (share) => {
    const fd = make(device, pieces, name, seal)
    const memories = [...new Set(pieces.flatMap(({ memory }) => memory ?? []))]
    const single = pieces.length === 1 && memories.length === 1
    const memoryOffset = single ? pieces[0]!.offset : undefined
    return new DmaBuf(device.kernel, fd, { size, memories, memoryOffset, budget: share })
  })
}

/** Runs all steps; where one fails, also what undoes what was made. */
export function closeOrUndo(steps: readonly (() => void)[], undo: () => void): void {
  try {
    closeAll(steps)
  } catch (error) {
    undo()
    throw error
  }
}

/** Everything that may fail comes before there is a buffer object. */
function make(
  device: UdmabufDevice,
  pieces: readonly Piece[],
  name: string | undefined,
  seal: boolean | undefined,
): FileDescriptor {
  const { kernel } = device
  const fd = device.make(pieces)
  try {
    if (name !== undefined) setName(kernel, fd, name)
    // Last, since it cannot be taken back.
    if (seal ?? areWhole(pieces)) sealAll(kernel, pieces, seal)
    return fd
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}

function areWhole(pieces: readonly Piece[]): boolean {
  return pieces.every(({ memory, whole }) => memory !== undefined && whole && !memory.hidden)
}

function sealAll(kernel: Kernel, pieces: readonly Piece[], seal: boolean | undefined): void {
  for (const fd of new Set(pieces.map((piece) => piece.fd))) {
    try {
      kernel.addSeals(fd, F_SEAL_FUTURE_WRITE)
    } catch (error) {
      // Sealed against seals by its maker, who then knows what may be done to it; or the kernel is older than the seal, 5.1.
      if (seal || !(isDmaError(error, 'EPERM') || isDmaError(error, 'EINVAL'))) throw error
    }
  }
}
