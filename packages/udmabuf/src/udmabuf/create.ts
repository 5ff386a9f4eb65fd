import { closeAll, DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE, type FileDescriptor, type MemoryMapping } from '@linux-dma/native'
import { counted } from '../dma-buf/budget'
import { DmaBuf } from '../dma-buf/dma-buf'
import { setName } from '../dma-buf/name'
import type { UdmabufDevice } from './device'
import {
  isOfPieces,
  listOf,
  type UdmabufListOptions,
  type UdmabufMemoryOptions,
  type UdmabufOptions,
  type UdmabufSizeOptions,
} from './options'
import { checkPieces, type Piece, sizeOf } from './pieces'
import { assertMemfds } from './refusal'

/** What `createUdmabuf()` does, by an open device, with options that are known to be of some shape. */
export function createWith(device: UdmabufDevice, options: UdmabufOptions): DmaBuf {
  if (options.kernel !== undefined && options.kernel !== device.kernel) {
    throw new DmaError('DMA_WRONG_KERNEL', 'create: the device was opened with another kernel object', {
      hint: 'leave { kernel } out here: it is that of openUdmabuf()',
    })
  }
  return isOfPieces(options) ? ofPieces(device, options) : ofNewMemory(device, options)
}

/** Nobody has the memfd any more when this returns: that is better than any seal. */
function ofNewMemory(device: UdmabufDevice, options: UdmabufSizeOptions): DmaBuf {
  const { kernel } = device
  const { size: asked, hugePageSize, name, budget } = options
  const unit = hugePageSize ?? kernel.pageSize
  const size = Math.ceil(asked / unit) * unit
  return counted(budget, size, () => {
    const memory = hugePageSize === undefined ? { byteLength: size } : { byteLength: size, hugePageSize }
    const memfd = kernel.memfd(name ?? 'udmabuf', memory)
    // The kernel takes huge pages out of what is reserved, and reserves them for a mapping alone: without one its account goes below zero.
    let reservation: MemoryMapping | undefined
    try {
      if (hugePageSize !== undefined) reservation = kernel.mmap(memfd, { byteLength: size })
      const pieces = [{ fd: memfd, offset: 0, size, memory: undefined, whole: true }]
      return new DmaBuf(kernel, make(device, pieces, name, false), { size, budget })
    } finally {
      closeAll([() => reservation?.close(), () => kernel.close(memfd)])
    }
  })
}

function ofPieces(device: UdmabufDevice, options: UdmabufMemoryOptions | UdmabufListOptions): DmaBuf {
  const { kernel } = device
  const { name, seal, budget } = options
  const pieces = checkPieces(listOf(options), kernel)
  assertMemfds(kernel, pieces, ({ memory }) => memory === undefined)
  const size = sizeOf(pieces)
  return counted(budget, size, () => {
    const fd = make(device, pieces, name, seal)
    const memories = [...new Set(pieces.flatMap(({ memory }) => memory ?? []))]
    const single = pieces.length === 1 && memories.length === 1
    const memoryOffset = single ? pieces[0]!.offset : undefined
    return new DmaBuf(kernel, fd, { size, memories, memoryOffset, budget })
  })
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
    if (seal ?? areWhole(pieces)) sealAll(kernel, pieces, seal)
    if (name !== undefined) setName(kernel, fd, name)
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
      // Sealed against seals by its maker, who then knows what may be done to it.
      if (seal || !isDmaError(error, 'EPERM')) throw error
    }
  }
}
