import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_WRITE,
  type FileDescriptor,
  type Kernel,
  type MemoryMapping,
  type MmapOptions,
} from '@linux-dma/native'
import { type Explanation, explained } from '../checks/explain'

/**
 * Maps DMA memory by its descriptor, to be read and written, once more or elsewhere.
 * @throws EPERM where the memory was sealed since it was made, as for a udmabuf; what else mmap answers
 */
export function mapShared(kernel: Kernel, fd: FileDescriptor, options: MmapOptions): MemoryMapping {
  return explained(() => kernel.mmap(fd, options), {
    EPERM: () => ({
      ...whySealed(sealsOf(kernel, fd)),
    }),
  })
}

/** None where there is no telling: that is no reason to lose the error at hand. */
function sealsOf(kernel: Kernel, fd: FileDescriptor): number {
  try {
    return kernel.getSeals(fd)
  } catch {
    return 0
  }
}

function whySealed(seals: number): Explanation {
  if ((seals & F_SEAL_WRITE) !== 0) {
    return {
      message: 'the memory is sealed against all writing (F_SEAL_WRITE): it cannot be mapped to be written',
      hint: 'who has it mapped can be asked for a copy; memory that is written to may not have that seal',
    }
  }
  if ((seals & F_SEAL_FUTURE_WRITE) !== 0) {
    return {
      message: 'the memory is sealed against further writable mappings (F_SEAL_FUTURE_WRITE)',
      hint: 'createUdmabuf() does that to the memory that it makes a buffer of, unless it is told { seal: false }; share that dma-buf (sendDmaBuf() or exportDmaBuf() of @linux-dma/udmabuf, and its map()), or map the memory before the buffer is made',
    }
  }
  return { message: 'the memory may not be mapped to be written', hint: 'a security policy may forbid it' }
}
