import { assertDevice, assertOptions, type DmaAttributes, type DmaDevice, DmaError } from '@linux-dma/core'
import { rulesOf } from '../mapping/map-sgtable'
import type { SegmentRules } from '../mapping/merge-segments'

/** What a device's engine takes at a time. */
export interface ChunkLimits {
  /** Bytes in a chunk, at most: 1 or more. */
  maxBytes: number
  /** Segments of a chunk as the device sees them, at most: 1 or more. Default: any number. */
  maxSegments?: number
  /**
   * The boundary that no segment crosses, as a mask: 2^n - 1 from 0xfff on, `dmaBitMask(16)` for 64 KiB. Default: the
   * device's.
   */
  boundary?: number | bigint
  /** Bytes in a segment, at most: 1 to 2^32 - 1. Default: the device's. */
  maxSegmentBytes?: number
}

/** How to map a table in chunks: see {@link mapChunks}. */
export interface ChunkOptions extends ChunkLimits {
  /**
   * For the map of each chunk, and for its unmap where that is left to the function. With `SkipCpuSync` the syncs are
   * the caller's: `chunk.syncForDevice()` before the device is started, `chunk.syncForCpu()` behind it. Default: none.
   */
  attributes?: DmaAttributes
}

/** Limits, checked. */
export interface CheckedLimits {
  readonly maxBytes: number
  readonly maxSegments: number
  /** For laying out and joining: with the boundary and the longest segment. */
  readonly rules: SegmentRules
}

export const MAP_OPTIONS = ['maxBytes', 'maxSegments', 'boundary', 'maxSegmentBytes', 'attributes'] as const

/** @throws DMA_INVALID_ARGUMENT */
export function checkLimits(
  of: string,
  device: DmaDevice,
  limits: ChunkLimits,
  known: readonly string[],
): CheckedLimits {
  assertDevice(of, device)
  assertOptions(of, limits, known)
  const rules = rulesOf(device)
  const { maxBytes, maxSegments = Number.MAX_SAFE_INTEGER, maxSegmentBytes = rules.maxSegmentSize } = limits
  assertCount(of, 'maxBytes', maxBytes, Number.MAX_SAFE_INTEGER)
  assertCount(of, 'maxSegments', maxSegments, Number.MAX_SAFE_INTEGER)
  assertCount(of, 'maxSegmentBytes', maxSegmentBytes, 0xffff_ffff)
  const boundary = limits.boundary === undefined ? rules.boundary : checkBoundary(of, limits.boundary)
  return {
    maxBytes,
    maxSegments,
    rules: { granule: rules.granule, boundary, maxSegmentSize: maxSegmentBytes },
  }
}

function assertCount(of: string, name: string, value: number, highest: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= highest) return
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `${of}: ${name} is ${String(value)}, not a whole number from 1 on`,
    {
      hint: 'pass what the device’s documentation says about its engine, for example { maxBytes: 65536, maxSegments: 16 }',
    },
  )
}

function checkBoundary(of: string, boundary: number | bigint): number {
  const isInteger =
    typeof boundary === 'bigint' || (typeof boundary === 'number' && Number.isSafeInteger(boundary))
  const mask = isInteger ? BigInt(boundary) : 0n
  if (mask < 0xfffn || mask > 0xffff_ffff_ffff_ffffn || (mask & (mask + 1n)) !== 0n) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `${of}: boundary ${String(boundary)} is not 2^n - 1 from 0xfff on`,
      {
        hint: 'use dmaBitMask(n): dmaBitMask(16) for a device whose segments stay within 64 KiB',
      },
    )
  }
  return Math.min(Number(mask), Number.MAX_SAFE_INTEGER)
}
