import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { fail, invalidArgument } from '../errors'
import type { FileSystem } from '../fs/file-system'
import type { FrameAllocator } from '../memory/frames'
import type { MachineMemory } from '../memory/machine-memory'
import { pageSize } from '../memory/storage'
import type { DmaBufParts } from './dma-buf-parts'
import { type Heap, heapFolder, mountHeap } from './heap'

/** A heap of contiguous memory. */
export interface HeapOptions {
  /** All that it has, in bytes: a multiple of the page size. */
  byteLength: number
}

/** What heaps need of their machine. */
export interface HeapParts extends DmaBufParts {
  readonly fs: FileSystem
  readonly frames: FrameAllocator
  readonly memory: MachineMemory
}

/** Address bits of what is set aside for devices on a machine of 64 bits. */
const contiguousAddressBits = 32

/** The heap that every machine has: pages wherever there are some. */
export function mountSystemHeap(parts: HeapParts): void {
  const { frames, memory, fs } = parts
  const heap: Heap = {
    name: 'system',
    allocate(byteLength) {
      const { available } = memory
      // Linux has no such check: it gives until it ends processes for the want of memory, and at last itself.
      if (byteLength > available) fail('ENOMEM', `the machine has ${available} bytes left`)
      const storage = frames.allocate(byteLength, undefined, () => {})
      frames.caches?.cover(storage)
      return storage
    },
    onRelease: () => {},
    segments: systemSegments,
  }
  mountHeap(fs, heap, parts)
}

/** A heap of memory that was set aside for it when the machine started: each buffer is one piece. */
export function addContiguousHeap(name: string, options: HeapOptions, parts: HeapParts): void {
  checkText(name, 'name')
  checkOptionNames(options, ['byteLength'], 'addHeap')
  const { byteLength: total } = options
  checkInteger(total, 'byteLength', pageSize)
  if (total % pageSize !== 0) invalidArgument(`byteLength is ${total}, not a multiple of the page size`)
  if (!/^[^/]+$/.test(name) || name === '.' || name === '..') {
    invalidArgument(`'${name}' cannot be the name of a heap`)
  }
  const { fs, frames, memory } = parts
  if (fs.list(heapFolder).includes(name)) invalidArgument(`there is a heap '${name}' already`)
  const area = memory.setAside(total)
  const heap: Heap = {
    name,
    allocate(byteLength) {
      if (byteLength > area.free) fail('ENOMEM', `the heap has ${area.free} bytes left`)
      const storage = frames.allocateContiguous(byteLength, contiguousAddressBits)
      area.free -= byteLength
      return storage
    },
    onRelease: (byteLength) => {
      area.free += byteLength
    },
    segments: (byteLength) => [byteLength],
  }
  mountHeap(fs, heap, parts)
}

/** The largest blocks first, of the sizes that the heap asks the page allocator for. */
function systemSegments(byteLength: number): number[] {
  const segments: number[] = []
  let rest = byteLength
  for (const block of [256 * pageSize, 16 * pageSize, pageSize]) {
    for (; rest >= block; rest -= block) segments.push(block)
  }
  return segments
}
