import { DmaError } from '@linux-dma/native'
import { rangeOf, type ViewRange } from '../checks/view-range'
import type { DmaMemory } from './memory'

/** Which memory a buffer belongs to, so that a view that went through other hands is still recognised. */
const owners = /* @__PURE__ */ new WeakMap<ArrayBufferLike, DmaMemory>()

/** Notes that a buffer shows a piece of DMA memory. @internal */
export function noteOwner(buffer: ArrayBufferLike, memory: DmaMemory): void {
  owners.set(buffer, memory)
}

/** Whether a view lies in DMA memory, open or not. False for what is no view only after {@link memoryOf} said so. */
export function isDmaMemory(view: ArrayBufferView): boolean {
  return !ArrayBuffer.isView(view) || owners.has(rangeOf(view).buffer)
}

/**
 * Where a view lies, and the DMA memory that it lies in: undefined for a buffer of JavaScript's own heap.
 * @throws DMA_INVALID_ARGUMENT for what is no view; DMA_DETACHED, DMA_RESIZABLE, DMA_CLOSED, DMA_QUARANTINED
 */
export function bufferOf(view: ArrayBufferView): { memory: DmaMemory | undefined; range: ViewRange } {
  if (!ArrayBuffer.isView(view)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${describe(view)} is not a view of bytes`, {
      hint: 'pass a Uint8Array (or another typed array) over DMA memory, for example region.bytes.subarray(0, 4096)',
    })
  }
  const range = rangeOf(view)
  const memory = owners.get(range.buffer)
  memory?.assertOpen()
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
  throw new DmaError(
    'DMA_NOT_DMA_MEMORY',
    'the view lies in JavaScript’s own heap, which can not be pinned for a device',
    {
      hint:
        'allocate with allocateDmaMemory() or createDmaRegion() and copy into it; if that is where it came from, the ' +
        'program has @linux-dma/core loaded twice, once by import and once by require()',
    },
  )
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
