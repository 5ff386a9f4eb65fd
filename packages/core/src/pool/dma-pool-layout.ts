import { DmaError } from '@linux-dma/native'

/** Where the blocks of a pool lie: what `dma_pool_create()` works out of its arguments. */
export interface PoolLayout {
  /** Bytes from one block to the next, where no boundary lies between: the size that was asked for, rounded up. */
  readonly blockLength: number
  /** Bytes of a unit: a page, or one block where that is longer. */
  readonly unitLength: number
  /**
   * Bytes from one unit to the next, and what each begins on a multiple of, so that alignment and boundary hold for
   * addresses: a power of two, as the kernel's pages of that length are aligned.
   */
  readonly stride: number
  /** Where in a unit the blocks begin, ascending. */
  readonly offsets: readonly number[]
}

/** The kernel's: room for its own links in a free block. */
const SHORTEST_BLOCK = 16
const LONGEST_BLOCK = 0x7fff_ffff

/**
 * Lays out blocks as mm/dmapool.c does: at least 16 bytes, rounded up to the alignment, in units of a page or one block,
 * and never across the boundary.
 * @param byteLength 1 to 2^31 - 1
 * @param alignment power of two; 0 for 1
 * @param boundary power of two, of a block or more; 0 for none
 * @throws DMA_INVALID_ARGUMENT
 */
export function poolLayout(
  byteLength: number,
  alignment: number,
  boundary: number,
  pageSize: number,
): PoolLayout {
  if (!Number.isInteger(byteLength) || byteLength < 1 || byteLength > LONGEST_BLOCK) {
    throw invalid(`a block of ${String(byteLength)} bytes: not 1 to 2^31 - 1`)
  }
  const step = alignment === 0 ? 1 : alignment
  if (!isPowerOfTwo(step))
    throw invalid(
      `alignment ${String(alignment)} is no power of two up to 2^31`,
      'blocks are as long as you say; of an alignment only powers of two make sense: 64 for a cache line',
    )
  const blockLength = Math.ceil(Math.max(byteLength, SHORTEST_BLOCK) / step) * step
  const unitLength = Math.max(blockLength, pageSize)
  if (boundary !== 0 && (!isPowerOfTwo(boundary) || boundary < blockLength)) {
    throw invalid(
      `boundary ${describe(boundary)} is no power of two of a block's ${blockLength} bytes or more`,
      typeof boundary === 'object'
        ? 'options come behind it: dmaPoolCreate(name, device, byteLength, alignment, 0, options)'
        : 'leave it out where the device has none: 4096 where a block may not cross a page',
    )
  }
  const fence = boundary === 0 ? unitLength : Math.min(boundary, unitLength)
  const offsets: number[] = []
  let nextFence = fence
  for (let offset = 0; offset + blockLength <= unitLength; ) {
    if (offset + blockLength > nextFence) {
      offset = nextFence
      nextFence += fence
      continue
    }
    offsets.push(offset)
    offset += blockLength
  }
  return { blockLength, unitLength, stride: powerOfTwoFrom(unitLength), offsets }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 2 ** 31 && Number.isInteger(Math.log2(value))
}

function powerOfTwoFrom(value: number): number {
  let power = 1
  while (power < value) power *= 2
  return power
}

function describe(value: unknown): string {
  return typeof value === 'object' ? 'that is an object' : String(value)
}

function invalid(message: string, hint?: string): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `dmaPoolCreate: ${message}`, hint === undefined ? {} : { hint })
}
