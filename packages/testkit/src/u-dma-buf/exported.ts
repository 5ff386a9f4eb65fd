import { DMA_BUF_SYNC_WRITE } from '../dma-buf/abi'
import { BufferMemory } from '../dma-buf/buffer-memory'
import { DmaBuf } from '../dma-buf/dma-buf'
import type { DmaBufParts } from '../dma-buf/dma-buf-parts'
import { fail } from '../errors'
import { pageSize } from '../memory/storage'
import { O_SYNC } from './abi'
import type { UDmaBuffer } from './buffer'
import { DmaDirection } from './direction'

const O_ACCMODE = 3
const O_CLOEXEC = 0o2000000

/**
 * U_DMA_BUF_IOCTL_EXPORT: a dma-buf of whole pages. Version 5.5.0 of the driver does not see that a range wraps around, and makes one of
 * memory in front of the buffer: that is refused here.
 */
export function exportDmaBuf(buffer: UDmaBuffer, view: DataView, parts: DmaBufParts): void {
  const flags = view.getUint32(0, true)
  const size = view.getBigUint64(8, true)
  const offset = view.getBigUint64(16, true)
  const page = BigInt(pageSize - 1)
  if ((offset & page) !== 0n || (size & page) !== 0n) fail('EINVAL', 'offset and size are of whole pages')
  if (offset + size > BigInt(buffer.options.size))
    fail('EINVAL', `the buffer has ${buffer.options.size} bytes`)
  if ((flags & ~(O_ACCMODE | O_CLOEXEC | O_SYNC)) !== 0) fail('EINVAL', 'the flags of the descriptor')
  parts.descriptors.reserve(1)
  const [start, byteLength] = [Number(offset), Number(size)]
  const { device, cached } = buffer.memory
  const storage = isUncached(buffer, (flags & O_SYNC) !== 0) ? device : cached
  const range = { storage, byteOffset: start, byteLength, pinnable: false }
  // The driver keeps the buffer for as long as there is one.
  const memory = new BufferMemory([range], parts.mirrors, () => buffer.exports--)
  buffer.exports++
  const { name } = buffer.options
  const exporter = {
    name,
    wantsBegin: false,
    accessMode: flags & O_ACCMODE,
    // One piece, of all that it has.
    segments: (bytes: number) => [bytes],
    // For writing alone, what a device wrote is not looked for.
    beginCpuAccess: (access: number) => {
      if (access !== DMA_BUF_SYNC_WRITE)
        buffer.memory.syncForCpu(start, start + byteLength, DmaDirection.FromDevice)
    },
    endCpuAccess: () => buffer.memory.syncForDevice(start, start + byteLength),
  }
  const fd = parts.descriptors.install(new DmaBuf(memory, exporter, parts), (flags & O_CLOEXEC) !== 0)
  view.setBigUint64(24, buffer.dmaAddress + offset, true)
  view.setInt32(32, fd, true)
}

/** Whether a mapping goes past the caches: sync_mode has a way for it, and it was asked for, or is so always. */
export function isUncached({ sync }: UDmaBuffer, asked: boolean): boolean {
  const always = 4
  return (sync.mode & 3) !== 0 && (asked || (sync.mode & always) !== 0)
}
