import { assertOptions, kernelOption } from '@linux-dma/core'
import type { DmaBuf } from '../dma-buf/dma-buf'
import { closeOrUndo, prepare } from './create'
import { openUdmabuf } from './device'
import { ALL_OPTIONS, type UdmabufOptions } from './options'
import { kernelOf } from './pieces'

/**
 * Makes a dma-buf of user memory. Mirrors UDMABUF_CREATE and UDMABUF_CREATE_LIST.
 *
 * - `{ size }`: of memory that is made for it, sealed, and reachable by the buffer alone.
 * - `{ memory }`: of DMA memory, or whole pages of it. What has that memory too (devices by VFIO, this process by
 *   `memory.bytes`) sees the same bytes.
 * - `{ list }`: of several pieces of DMA memory and memfds, one behind the other, such as the scattered backing of a guest's
 *   framebuffer.
 *
 * All pages are taken at once and stay until nobody holds the buffer. Its descriptor is close-on-exec.
 * @throws DMA_ALIGNMENT, DMA_RANGE for pieces that are not whole pages inside their memory; DMA_NOT_MEMFD, DMA_NOT_SEALED,
 *   DMA_SEALED, DMA_READ_ONLY for memfds that the kernel takes none of, or should not; DMA_TOO_LARGE, DMA_TOO_MANY beyond the
 *   module's limits, or of more memory than the machine has; DMA_BUDGET; DMA_INVALID_ARGUMENT, DMA_CLOSED, DMA_QUARANTINED, DMA_NOT_DMA_MEMORY, DMA_WRONG_KERNEL; EACCES,
 *   ENOENT; ENOMEM, EMFILE. Nothing is left behind.
 * @example
 * ```ts
 * using buffer = createUdmabuf({ size: 8_294_400, name: 'frame 0' })
 * buffer.cpuAccess('write', (bytes) => bytes.fill(0xff))
 * ```
 */
export function createUdmabuf(options: UdmabufOptions): DmaBuf {
  assertOptions('createUdmabuf', options, ALL_OPTIONS)
  const kernel = kernelOption('createUdmabuf', options.kernel ?? kernelOf(options))
  const make = prepare(kernel, options)
  const device = openUdmabuf({ kernel })
  let buffer: DmaBuf | undefined
  try {
    buffer = make(device)
  } finally {
    closeOrUndo([() => device.close()], () => buffer?.close())
  }
  return buffer
}
