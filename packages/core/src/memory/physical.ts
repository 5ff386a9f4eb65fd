import { DmaError } from '@linux-dma/native'
import { assertMemory } from '../checks/memory'
import { assertOptions, assertRange } from '../checks/validate'
import { type PhysicalAddress, physicalAddress } from '../vocabulary/address'
import type { DmaMemory } from './memory'
import { type FrameProblem, type Frames, readPageFrames } from './pagemap'

/** A part of DMA memory: all of it by default. */
export interface FrameRange {
  /** Offset of the first byte. Default 0. */
  byteOffset?: number
  /** Bytes, 1 or more. Default: the rest. */
  byteLength?: number
}

/** How often pages are fetched that are not there: a page that stays away this long has something else wrong. */
const ATTEMPTS = 4

/**
 * Frame numbers of all pages that hold a part of DMA memory, read in one go: 262,144 pages take some milliseconds. Frame
 * number times page size is the physical address of a page. Only of memory that is pinned: elsewhere the number may be
 * another page's before it is used.
 * @param frames where to put them, so that it can be used again; a `Uint32Array` holds those below 16 TiB
 * @returns `frames`, or a new array with an element for each page
 * @throws DMA_NOT_PINNED; DMA_NO_FRAME where the kernel does not tell: it needs CAP_SYS_ADMIN; DMA_ADDRESS_RANGE for a frame
 *   that a `Uint32Array` cannot hold; DMA_RANGE, DMA_INVALID_ARGUMENT, DMA_CLOSED, DMA_QUARANTINED
 * @example
 * ```ts
 * using pin = memory.pin()
 * const frames = readFrames(memory)
 * ```
 */
export function readFrames(memory: DmaMemory, range?: FrameRange): Float64Array<ArrayBuffer>
export function readFrames<Into extends Frames>(memory: DmaMemory, range: FrameRange, frames: Into): Into
export function readFrames(memory: DmaMemory, range: FrameRange = {}, frames?: Frames): Frames {
  const { first, count, byteOffset, byteLength } = pagesOf(memory, range)
  if (frames !== undefined) assertRoom(frames, count)
  assertPinned(memory, byteOffset, byteLength)
  const into = frames ?? new Float64Array(count)
  fillFrames(memory, first, count, into)
  return into
}

/**
 * Frame numbers of memory that a device has, pinned or not, and quarantined or not: to look whether it is still there.
 * @throws DMA_NO_FRAME, DMA_NO_KERNEL_MAPPING, and what reading them answers
 * @internal
 */
export function framesOfMapped(memory: DmaMemory, byteOffset: number, byteLength: number): Float64Array {
  const { pageSize } = memory.kernel
  const first = Math.floor(byteOffset / pageSize)
  const frames = new Float64Array(Math.ceil((byteOffset + byteLength) / pageSize) - first)
  fillFrames(memory, first, frames.length, frames)
  return frames
}

function fillFrames(memory: DmaMemory, first: number, count: number, into: Frames): void {
  const { kernel } = memory
  for (let attempt = 1; ; attempt++) {
    const start = memory.address + first * kernel.pageSize
    const missing = readPageFrames(kernel, start, count, into)
    if (missing === undefined) return
    const { page, problem } = missing
    if (problem !== 'absent' || attempt === ATTEMPTS) throw noFrame(problem, first + page, kernel.pageSize)
    fetchPages(memory, first + page, first + count)
  }
}

/**
 * Physical addresses of all pages that hold a part of DMA memory: of its first byte, and of the first byte of each
 * further page. For a million of them {@link readFrames} is the one that makes no array of objects.
 * @throws as {@link readFrames}
 */
export function physicalAddresses(memory: DmaMemory, range: FrameRange = {}): PhysicalAddress[] {
  const { byteOffset } = pagesOf(memory, range)
  const { pageSize } = memory.kernel
  const frames = readFrames(memory, range)
  return Array.from(frames, (frame, index) =>
    physicalAddress(frame * pageSize + (index === 0 ? byteOffset % pageSize : 0)),
  )
}

/**
 * Where one byte of DMA memory lies in physical memory. Mirrors `virt_to_phys()`; of memory that is pinned.
 * @throws as {@link readFrames}
 */
export function physicalAddressAt(memory: DmaMemory, byteOffset: number): PhysicalAddress {
  assertMemory(memory)
  const { pageSize } = memory.kernel
  memory.assertOpen()
  assertRange('DMA memory', byteOffset, 1, memory.byteLength)
  const [frame] = readFrames(memory, { byteOffset, byteLength: 1 })
  return physicalAddress(frame! * pageSize + (byteOffset % pageSize))
}

function pagesOf(memory: DmaMemory, range: FrameRange) {
  assertMemory(memory)
  assertOptions('readFrames', range, ['byteOffset', 'byteLength'])
  memory.assertOpen()
  const { byteOffset = 0, byteLength = memory.byteLength - byteOffset } = range
  assertRange('DMA memory', byteOffset, byteLength, memory.byteLength)
  const { pageSize } = memory.kernel
  const first = Math.floor(byteOffset / pageSize)
  return { first, count: Math.ceil((byteOffset + byteLength) / pageSize) - first, byteOffset, byteLength }
}

function assertRoom(frames: Frames, count: number): void {
  const known = frames instanceof Float64Array || frames instanceof Uint32Array
  if (known && frames.length >= count) return
  const given = known ? `has room for ${frames.length}` : 'is neither a Float64Array nor a Uint32Array'
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `readFrames: ${count} frames are asked for, and the array ${given}`,
  )
}

function assertPinned(memory: DmaMemory, byteOffset: number, byteLength: number): void {
  if (memory.isPinned(byteOffset, byteLength)) return
  throw new DmaError(
    'DMA_NOT_PINNED',
    `${byteLength} bytes of DMA memory from ${byteOffset} on may be moved to other physical pages at any time`,
    {
      hint:
        'pin them with memory.pin(), map them for a device through VFIO, or allocate them with hugePageSize; ' +
        'mlock() does not pin: its pages stay resident, and are moved',
    },
  )
}

/** Brings pages into this process's tables: a shared page has its frame once somebody has looked at it. */
function fetchPages(memory: DmaMemory, first: number, end: number): void {
  const { keptBytes: bytes, kernel } = memory
  let sum = 0
  for (let page = first; page < end; page++) sum += bytes[page * kernel.pageSize]!
  // Never so: but what is added up has to be read.
  if (sum < 0) throw new DmaError('DMA_NO_FRAME', 'bytes are not negative')
}

function noFrame(problem: FrameProblem, page: number, pageSize: number): DmaError {
  const what = `page ${page} of the DMA memory, at byte ${page * pageSize},`
  if (problem === 'too large') {
    return new DmaError('DMA_ADDRESS_RANGE', `${what} has a frame number above 2^32 - 1`, {
      hint: 'give readFrames() a Float64Array, or nothing, to put the numbers in',
    })
  }
  if (problem === 'hidden') {
    return new DmaError('DMA_NO_FRAME', `${what} has a frame, and the kernel does not say which`, {
      hint: 'frame numbers are told to CAP_SYS_ADMIN only: run as root, and not in a container with a user namespace of its own; behind an IOMMU use VFIO, which needs no physical address',
    })
  }
  return new DmaError('DMA_NO_FRAME', `${what} is not in memory, although it is pinned`, {
    hint: 'was it truncated or punched out of the file by somebody else? allocate new memory with allocateDmaMemory()',
  })
}
