import { assertByteLength, assertOptions, DmaError, type DmaMemory } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { assertBudget, type DmaBufBudget } from '../dma-buf/budget'
import { nameBytes } from '../dma-buf/name'

/** What every way of making a udmabuf takes. */
interface CommonOptions {
  /** What the buffer is called: 31 bytes of UTF-8 at most. Default: nothing. */
  name?: string
  /**
   * Whether to seal the memory once the buffer has its pages: who has the memfd can then neither punch holes into it, after
   * which memfd and buffer would show different pages, nor map it for writing any more; mappings that exist stay writable.
   * Of sealed memory no second udmabuf can be made, and no mapping by `importDmaMemory()`. Default: where every piece is a
   * `DmaMemory`, with neither `offset` nor `size`.
   */
  seal?: boolean
  /** What the buffer counts against. */
  budget?: DmaBufBudget
  /** Default: that of the memory; the real one for memory that is made. */
  kernel?: Kernel
}

/** A buffer of memory that is made for it. */
export interface UdmabufSizeOptions extends CommonOptions {
  /** Bytes, 1 or more; rounded up to whole pages. */
  size: number
  /** Bytes in a huge page, for example `0x200000`, to take memory from the hugetlb pool. Default: base pages. */
  hugePageSize?: number
  memory?: never
  list?: never
  offset?: never
}

/** A buffer of DMA memory, or of a part of it. */
export interface UdmabufMemoryOptions extends CommonOptions {
  /** The memory, or a view that lies in it. */
  memory: DmaMemory | ArrayBufferView
  /** Bytes from its start, a multiple of the page size. Default 0. */
  offset?: number
  /** Bytes, a multiple of the page size. Default: all from there on. */
  size?: number
  list?: never
  hugePageSize?: never
}

/** A buffer of several pieces, one behind the other. */
export interface UdmabufListOptions extends CommonOptions {
  list: readonly UdmabufPiece[]
  memory?: never
  offset?: never
  size?: never
  hugePageSize?: never
}

/** A part of DMA memory, or of any memfd: whole pages. */
export type UdmabufPiece =
  | { memory: DmaMemory | ArrayBufferView; fd?: never; offset?: number; size?: number }
  | { fd: FileDescriptor; memory?: never; offset?: number; size: number }

/** What to make: see {@link createUdmabuf}. */
export type UdmabufOptions = UdmabufSizeOptions | UdmabufMemoryOptions | UdmabufListOptions

const COMMON_OPTIONS = ['name', 'seal', 'budget', 'kernel']
const SIZE_OPTIONS = ['size', 'hugePageSize', ...COMMON_OPTIONS]
const MEMORY_OPTIONS = ['memory', 'offset', 'size', ...COMMON_OPTIONS]
const LIST_OPTIONS = ['list', ...COMMON_OPTIONS]
export const ALL_OPTIONS = ['size', 'memory', 'list', 'offset', 'hugePageSize', ...COMMON_OPTIONS]

/** Whether a buffer is made of memory that there is. */
export function isOfPieces(options: UdmabufOptions): options is UdmabufMemoryOptions | UdmabufListOptions {
  return 'memory' in options || 'list' in options
}

/** The pieces of a buffer that is made of memory that there is. */
export function listOf(options: UdmabufMemoryOptions | UdmabufListOptions): readonly UdmabufPiece[] {
  if (options.list !== undefined) return options.list
  const { memory, offset, size } = options
  return [{ memory, ...(offset === undefined ? {} : { offset }), ...(size === undefined ? {} : { size }) }]
}

/** @throws DMA_INVALID_ARGUMENT for what is of no such shape, has other properties, or values of another type */
export function assertShape(options: UdmabufOptions): void {
  assertOptions('createUdmabuf', options, ALL_OPTIONS)
  if ('memory' in options && !('list' in options)) {
    assertOptions('createUdmabuf({ memory })', options, MEMORY_OPTIONS)
  } else if ('list' in options) {
    assertOptions('createUdmabuf({ list })', options, LIST_OPTIONS)
  } else {
    if (options.size === undefined) {
      throw new DmaError('DMA_INVALID_ARGUMENT', 'createUdmabuf: nothing says what to make the buffer of', {
        hint: 'give it { size } for memory of its own, { memory } for DMA memory, or { list } for several pieces',
      })
    }
    assertOptions('createUdmabuf({ size })', options, SIZE_OPTIONS)
    assertByteLength('size', options.size)
    if (options.hugePageSize !== undefined) assertHugePageSize(options.hugePageSize)
  }
  const { name, seal, budget } = options
  if (name !== undefined) nameBytes(name)
  assertBudget('createUdmabuf', budget)
  if (seal === undefined || typeof seal === 'boolean') return
  throw new DmaError('DMA_INVALID_ARGUMENT', 'createUdmabuf: seal is neither true nor false')
}

/** @throws DMA_INVALID_ARGUMENT for what is no power of two */
function assertHugePageSize(hugePageSize: number): void {
  assertByteLength('hugePageSize', hugePageSize)
  if (Number.isInteger(Math.log2(hugePageSize))) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `hugePageSize is ${hugePageSize}, which is no power of two`, {
    hint: 'it is 0x200000 or 0x40000000 on most machines: /sys/kernel/mm/hugepages has a folder for each',
  })
}
