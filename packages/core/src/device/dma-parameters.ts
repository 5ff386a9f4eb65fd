import { DmaError } from '@linux-dma/native'
import type { DmaDevice } from './dma-device'

/** What a device's scatter-gather engine takes: the kernel's `struct device_dma_parameters`. */
export interface DmaParameters {
  /** Bytes in the longest segment. */
  maxSegmentSize: number
  /** Address lines within which a segment stays: one less than a power of two. */
  segmentBoundary: number
  /** Address bits that a bounced buffer keeps. */
  minAlignMask: number
}

/** What a device has until it is told otherwise, as in the kernel: 64 KiB, no boundary, no alignment. */
export const defaultDmaParameters: Readonly<DmaParameters> = {
  maxSegmentSize: 0x1_0000,
  segmentBoundary: Number.MAX_SAFE_INTEGER,
  minAlignMask: 0,
}

const LARGEST_SEGMENT = 0xffff_ffff

/**
 * Says how long a segment the device takes. Mirrors `dma_set_max_seg_size()`. Set it before mapping a table.
 * @param byteLength 1 to 2^32 - 1 bytes
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED
 */
export function dmaSetMaxSegSize(device: DmaDevice, byteLength: number): void {
  device.assertOpen()
  if (!Number.isInteger(byteLength) || byteLength < 1 || byteLength > LARGEST_SEGMENT) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `a segment of ${String(byteLength)} bytes: not 1 to 2^32 - 1`)
  }
  device.parameters.maxSegmentSize = byteLength
}

/** Bytes in the longest segment that the device takes, 64 KiB unless set. Mirrors `dma_get_max_seg_size()`. */
export function dmaGetMaxSegSize(device: DmaDevice): number {
  return device.parameters.maxSegmentSize
}

/**
 * Says which boundary no segment may cross: with `dmaBitMask(16)` none crosses a multiple of 64 KiB. Mirrors
 * `dma_set_seg_boundary()`. Set it before mapping a table.
 * @param mask one less than a power of two, from 0xfff on
 * @example
 * dmaSetSegBoundary(device, dmaBitMask(16))
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED
 */
export function dmaSetSegBoundary(device: DmaDevice, mask: bigint): void {
  device.assertOpen()
  if (
    typeof mask !== 'bigint' ||
    mask < 0xfffn ||
    mask > 0xffff_ffff_ffff_ffffn ||
    (mask & (mask + 1n)) !== 0n
  ) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `segment boundary ${String(mask)} is not 2^n - 1 from 0xfff on`,
      {
        hint: 'use dmaBitMask(n): dmaBitMask(32) for a device whose segments stay within 4 GiB',
      },
    )
  }
  device.parameters.segmentBoundary = Number(
    mask > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : mask,
  )
}

/** The boundary that no segment crosses, as a mask; all 64 bits unless set. Mirrors `dma_get_seg_boundary()`. */
export function dmaGetSegBoundary(device: DmaDevice): bigint {
  const { segmentBoundary } = device.parameters
  return segmentBoundary === Number.MAX_SAFE_INTEGER ? 0xffff_ffff_ffff_ffffn : BigInt(segmentBoundary)
}

/**
 * Says which low bits of an address the device needs to keep when a buffer is bounced: 0xfff for NVMe. Mirrors
 * `dma_set_min_align_mask()`.
 * @param mask one less than a power of two, up to 0xffff; 0 for none
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED
 */
export function dmaSetMinAlignMask(device: DmaDevice, mask: number): void {
  device.assertOpen()
  if (!Number.isInteger(mask) || mask < 0 || mask > 0xffff || (mask & (mask + 1)) !== 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `alignment mask ${String(mask)} is not 2^n - 1 up to 0xffff`)
  }
  device.parameters.minAlignMask = mask
}

/** The low address bits that a bounced buffer keeps. Mirrors `dma_get_min_align_mask()`. */
export function dmaGetMinAlignMask(device: DmaDevice): number {
  return device.parameters.minAlignMask
}
