import { DmaError } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { DMA_BUF_SET_NAME_B } from '../abi'

/** The kernel keeps 31 bytes and an end. */
const LONGEST = 31

/**
 * A name as the kernel takes it, with the zero that ends it. Always of one length: a request's argument is to be no shorter
 * than its number says, which for DMA_BUF_SET_NAME is eight bytes.
 * @throws DMA_INVALID_ARGUMENT for what is no text, too long, or cut short by a zero
 */
export function nameBytes(name: string): Uint8Array {
  const bytes = typeof name === 'string' ? new TextEncoder().encode(name) : undefined
  if (bytes === undefined || bytes.length > LONGEST || bytes.includes(0) || bytes.includes(0x0a)) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `${typeof name === 'string' ? JSON.stringify(name) : String(name)} is no name for a buffer`,
      { hint: `a name is a text of at most ${LONGEST} bytes of UTF-8, in one line` },
    )
  }
  const terminated = new Uint8Array(LONGEST + 1)
  terminated.set(bytes)
  return terminated
}

/** DMA_BUF_SET_NAME. @throws DMA_INVALID_ARGUMENT */
export function setName(kernel: Kernel, fd: FileDescriptor, name: string): void {
  kernel.ioctl(fd, DMA_BUF_SET_NAME_B, nameBytes(name), 'DMA_BUF_SET_NAME')
}
