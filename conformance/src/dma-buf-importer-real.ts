import type { Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import type { DmaBufImporter } from './dma-buf-importer'

/** What `lab/modules/lab_dma_buf.c` understands. */
const ioctls = { ATTACH: 0xc010_6c00, SEGMENT: 0xc018_6c01, ADD_FENCE: 0xc008_6c02, SIGNAL: 0x4008_6c03 }
const usages = { read: 1, write: 2 }

/** The lab's device without hardware imports a dma-buf. */
export function realDmaBufImporter(kernel: Kernel, buffer: number): DmaBufImporter {
  const fd = kernel.open('/dev/lab_dma_buf', O_RDWR)
  const call = (name: keyof typeof ioctls, argument: Uint32Array | BigUint64Array) =>
    void kernel.ioctl(fd, ioctls[name], new Uint8Array(argument.buffer), `LAB_${name}`)
  const attached = Uint32Array.of(buffer, 0, 0, 0)
  try {
    call('ATTACH', attached)
  } catch (error) {
    kernel.close(fd)
    throw error
  }
  const [, count, size] = attached
  let attachedStill = true
  return {
    size: size!,
    segments: Array.from({ length: count! }, (_, index) => {
      const segment = BigUint64Array.of(BigInt(index), 0n, 0n)
      call('SEGMENT', segment)
      return Number(segment[2])
    }),
    read(byteOffset, byteLength) {
      const bytes = new Uint8Array(byteLength)
      kernel.read(fd, bytes, byteOffset)
      return bytes
    },
    write: (byteOffset, bytes) => void kernel.write(fd, bytes, byteOffset),
    addFence(usage) {
      const fence = Uint32Array.of(usages[usage], 0)
      call('ADD_FENCE', fence)
      return { signal: (errno = 0) => call('SIGNAL', Uint32Array.of(fence[1]!, errno)) }
    },
    detach() {
      if (attachedStill) kernel.close(fd)
      attachedStill = false
    },
  }
}
