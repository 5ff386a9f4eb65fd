import { DmaError, type MemoryMapping } from '@linux-dma/native'
import { rangeOf, type ViewRange } from '../checks/view-range'
import type { DmaMemory } from './memory'

/** Where in an ArrayBuffer memory has its bytes. */
interface Owner {
  readonly memory: DmaMemory
  readonly start: number
  readonly end: number
}

/**
 * Which memory a buffer belongs to, so that a view that went through other hands is still recognised: newest last. There are several
 * only where a kernel shows mappings of the same pages in one ArrayBuffer, as a fake one has to.
 */
const owners = /* @__PURE__ */ new WeakMap<ArrayBufferLike, readonly Owner[]>()

/** Notes that bytes are those of DMA memory. @internal */
export function noteOwner({ buffer, byteOffset, byteLength }: Uint8Array, memory: DmaMemory): void {
  const others = (owners.get(buffer) ?? []).filter((owner) => !owner.memory.closed)
  owners.set(buffer, [...others, { memory, start: byteOffset, end: byteOffset + byteLength }])
}

/** Of several, the smallest that has all of a view; one of the same size that was noted later. */
function ownerOf({ buffer, byteOffset, byteLength }: ViewRange): DmaMemory | undefined {
  const all = owners.get(buffer)
  if (all === undefined || all.length === 1) return all?.[0]?.memory
  let best = all.at(-1)!
  let size = Number.POSITIVE_INFINITY
  for (const owner of all) {
    if (owner.memory.closed || byteOffset < owner.start || byteOffset + byteLength > owner.end) continue
    if (owner.end - owner.start > size) continue
    best = owner
    size = owner.end - owner.start
  }
  return best.memory
}

/** One more mapping of DMA memory into this process. */
interface Window {
  readonly memory: DmaMemory
  readonly mapping: MemoryMapping
  /** Offset in the memory of the byte at which the window's buffer begins. */
  readonly start: number
  /** A write through it ends the process. */
  readonly readOnly: boolean
}

/** Of which memory a buffer shows a part at a second place. */
const windows = /* @__PURE__ */ new WeakMap<ArrayBufferLike, Window>()

/**
 * Notes that a mapping shows DMA memory once more, from `memoryOffset` on: a view of it is then one of that memory.
 * @internal
 */
export function noteWindow(
  mapping: MemoryMapping,
  memory: DmaMemory,
  memoryOffset: number,
  access: 'read' | 'read-write' = 'read-write',
): void {
  const { buffer, byteOffset } = mapping.bytes
  windows.set(buffer, { memory, mapping, start: memoryOffset - byteOffset, readOnly: access === 'read' })
}

/** Whether a view is one of DMA memory that may only be read. @internal */
export function isReadOnly(view: ArrayBufferView): boolean {
  const range = rangeOf(view)
  // A kernel that shows all mappings of the same pages in one ArrayBuffer cannot say by which one it is seen.
  return ownerOf(range) === undefined && windows.get(range.buffer)?.readOnly === true
}

/** Buffers that are neither DMA memory nor of JavaScript's own heap: what they are, and what to do. */
const foreign = /* @__PURE__ */ new WeakMap<ArrayBufferLike, { what: string; hint: string }>()

/** Notes what a buffer shows that no device of this process can be given by its bytes, to be said where somebody tries. @internal */
export function noteForeign(buffer: ArrayBufferLike, what: string, hint: string): void {
  foreign.set(buffer, { what, hint })
}

/** Whether a buffer is of memory that no device of this process can be given. @internal */
export function isForeign(buffer: ArrayBufferLike): boolean {
  return foreign.has(buffer)
}

/** Whether a view lies in DMA memory, open or not. False for what is no view only after {@link memoryOf} said so. */
export function isDmaMemory(view: ArrayBufferView): boolean {
  if (!ArrayBuffer.isView(view)) return true
  const { buffer } = rangeOf(view)
  if (owners.has(buffer)) return true
  const window = windows.get(buffer)
  return window !== undefined && (window.mapping.closed || isUsable(window.memory))
}

/**
 * Where a view lies, and the DMA memory that it lies in: undefined for a buffer of JavaScript's own heap. For a view of a
 * second mapping of DMA memory, such as `dmaMmapCoherent` makes, where the same bytes lie in the memory's own; undefined
 * where that has none any more, or is closed: what such a mapping shows can then be copied, and no more.
 * @throws DMA_INVALID_ARGUMENT for what is no view; DMA_DETACHED, DMA_RESIZABLE, DMA_CLOSED, DMA_QUARANTINED
 */
export function bufferOf(view: ArrayBufferView): { memory: DmaMemory | undefined; range: ViewRange } {
  if (!ArrayBuffer.isView(view)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${describe(view)} is not a view of bytes`, {
      hint: 'pass a Uint8Array (or another typed array) over DMA memory, for example region.bytes.subarray(0, 4096)',
    })
  }
  const range = rangeOf(view)
  const memory = ownerOf(range)
  memory?.assertOpen()
  const window = memory ? undefined : windows.get(range.buffer)
  if (window) return inWindow(window, range)
  if (isDetached(range.buffer)) {
    throw new DmaError('DMA_DETACHED', 'the view’s ArrayBuffer is detached', {
      hint: 'it was transferred to a worker or closed with { detach: true }; take a new view from the memory',
    })
  }
  if (!memory && (range.buffer as ArrayBuffer & { resizable?: boolean }).resizable) {
    throw new DmaError('DMA_RESIZABLE', 'the view’s ArrayBuffer is resizable, so its memory can move or go', {
      hint: 'allocate with allocateDmaMemory() and copy into it',
    })
  }
  return { memory, range }
}

/**
 * The DMA memory that a view lies in, and where.
 * @throws DMA_INVALID_ARGUMENT for what is no view; DMA_DETACHED, DMA_RESIZABLE, DMA_NOT_DMA_MEMORY, DMA_CLOSED,
 *   DMA_QUARANTINED
 */
export function memoryOf(view: ArrayBufferView): { memory: DmaMemory; range: ViewRange } {
  const { memory, range } = bufferOf(view)
  if (memory) return { memory, range }
  const window = windows.get(range.buffer)
  if (window) {
    window.memory.assertOpen()
    throw new DmaError(
      'DMA_NO_KERNEL_MAPPING',
      'the view is of memory that was allocated with DmaAttribute.NoKernelMapping: no part of it can be mapped by its bytes',
      {
        hint: 'its own device has it already; for another one map all of it: createDmaRegion(other, { memory: allocation.memory })',
      },
    )
  }
  const other = foreign.get(range.buffer)
  if (other) throw new DmaError('DMA_NOT_DMA_MEMORY', `the view is of ${other.what}`, { hint: other.hint })
  throw new DmaError(
    'DMA_NOT_DMA_MEMORY',
    'the view lies in JavaScript’s own heap, which can not be pinned for a device',
    {
      hint:
        'allocate with allocateDmaMemory() or createDmaRegion() and copy into it, or have the path copy: ' +
        'setDmaOps(device, bounceOps(getDmaOps(device))); if that is where it came from, the ' +
        'program has @linux-dma/core loaded twice, once by import and once by require()',
    },
  )
}

/** The same bytes where the memory's own mapping has them. */
function inWindow(window: Window, range: ViewRange): { memory: DmaMemory | undefined; range: ViewRange } {
  const { memory, mapping, start } = window
  if (mapping.closed) {
    throw new DmaError('DMA_CLOSED', 'the mapping of DMA memory that the view lies in is closed', {
      hint: 'take a view of the memory’s own bytes, or map it once more',
    })
  }
  if (!isUsable(memory)) return { memory: undefined, range }
  const { buffer, byteOffset } = memory.bytes
  return {
    memory,
    range: { buffer, byteOffset: byteOffset + start + range.byteOffset, byteLength: range.byteLength },
  }
}

/** Whether the memory has bytes of its own in this process. */
function isUsable(memory: DmaMemory): boolean {
  return !memory.closed && !memory.hidden
}

/** Whether an ArrayBuffer was detached. @internal */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength !== 0) return false
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function describe(value: unknown): string {
  return value === null
    ? 'null'
    : typeof value === 'object'
      ? (value.constructor?.name ?? 'an object')
      : String(value)
}
