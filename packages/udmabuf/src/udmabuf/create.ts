import { DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE } from '@linux-dma/native'
import { counted } from '../dma-buf/budget'
import { DmaBuf } from '../dma-buf/dma-buf'
import { setName } from '../dma-buf/name'
import type { UdmabufDevice } from './device'
import {
  assertShape,
  isOfPieces,
  listOf,
  type UdmabufListOptions,
  type UdmabufMemoryOptions,
  type UdmabufOptions,
  type UdmabufSizeOptions,
} from './options'
import { checkPieces, type Piece, sizeOf } from './pieces'
import { assertMemfds } from './refusal'

/** What `createUdmabuf()` does, by an open device. */
export function createWith(device: UdmabufDevice, options: UdmabufOptions): DmaBuf {
  assertShape(options)
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
  const { size: asked, hugePageSize, name = 'udmabuf' } = options
  const unit = hugePageSize ?? kernel.pageSize
  const size = Math.ceil(asked / unit) * unit
  return counted(options.budget, size, () => {
    const memory = hugePageSize === undefined ? { byteLength: size } : { byteLength: size, hugePageSize }
    const fd = kernel.memfd(name, memory)
    try {
      return make(device, [{ fd, offset: 0, size, memory: undefined, whole: true }], {
        ...options,
        seal: false,
      })
    } finally {
      kernel.close(fd)
    }
  })
}

function ofPieces(device: UdmabufDevice, options: UdmabufMemoryOptions | UdmabufListOptions): DmaBuf {
  const pieces = checkPieces(listOf(options), device.kernel)
  assertMemfds(device.kernel, pieces, ({ memory }) => memory === undefined)
  return counted(options.budget, sizeOf(pieces), () => make(device, pieces, options))
}

/** Everything that may fail comes before there is a buffer object. */
function make(
  device: UdmabufDevice,
  pieces: readonly Piece[],
  { name, seal, budget }: Pick<UdmabufOptions, 'name' | 'seal' | 'budget'>,
): DmaBuf {
  const { kernel } = device
  const fd = device.make(pieces)
  try {
    sealAll(kernel, pieces, seal)
    if (name !== undefined) setName(kernel, fd, name)
  } catch (error) {
    kernel.close(fd)
    throw error
  }
  const memories = [...new Set(pieces.flatMap(({ memory }) => memory ?? []))]
  const single = pieces.length === 1 && memories.length === 1
  const memoryOffset = single ? pieces[0]!.offset : undefined
  return new DmaBuf(kernel, fd, { size: sizeOf(pieces), memories, memoryOffset, budget })
}

function sealAll(kernel: Kernel, pieces: readonly Piece[], seal: boolean | undefined): void {
  const byItself = pieces.every(({ memory, whole }) => memory && whole && !memory.hidden)
  if (!(seal ?? byItself)) return
  for (const fd of new Set(pieces.map((piece) => piece.fd))) {
    try {
      kernel.addSeals(fd, F_SEAL_FUTURE_WRITE)
    } catch (error) {
      // Sealed against seals by its maker, who then knows what may be done to it.
      if (seal || !isDmaError(error, 'EPERM')) throw error
    }
  }
}
