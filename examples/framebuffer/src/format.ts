import { DmaError } from '@linux-dma/core'

/** How a frame lies in its bytes. */
export interface FrameFormat {
  /** Pixels in a line. */
  readonly width: number
  /** Lines. */
  readonly height: number
  /** Bytes from one line to the next: a line may be followed by some that are no pixels. */
  readonly stride: number
  /** What DRM calls XR24: four bytes for a pixel, blue, green, red, and one without a meaning. */
  readonly format: 'XR24'
}

/** Display engines want lines to begin at multiples of this. */
const STRIDE_UNIT = 256
const BYTES_PER_PIXEL = 4
const MOST_PIXELS = 16_384
/** Room for the stamps on both sides and a picture between them. */
const LEAST_WIDTH = 256
const LEAST_HEIGHT = 128

/** A format whose lines begin where display engines want them. */
export function formatOf(width: number, height: number): FrameFormat {
  const stride = Math.ceil((width * BYTES_PER_PIXEL) / STRIDE_UNIT) * STRIDE_UNIT
  return checkFormat({ width, height, stride, format: 'XR24' })
}

/** Bytes of all lines. */
export function byteLengthOf({ stride, height }: FrameFormat): number {
  return stride * height
}

/**
 * A format that came from elsewhere, known to be one.
 * @throws FRAMEBUFFER_FORMAT
 */
export function checkFormat(given: unknown): FrameFormat {
  const { width, height, stride, format } = (given ?? {}) as Record<string, unknown>
  const right =
    format === 'XR24' &&
    isBetween(width, LEAST_WIDTH, MOST_PIXELS) &&
    isBetween(height, LEAST_HEIGHT, MOST_PIXELS) &&
    isBetween(stride, width * BYTES_PER_PIXEL, MOST_PIXELS * BYTES_PER_PIXEL) &&
    stride % BYTES_PER_PIXEL === 0
  if (right) return { width, height, stride, format }
  throw new DmaError('FRAMEBUFFER_FORMAT', `no frame is like that: ${JSON.stringify(given)}`, {
    hint: `XR24 of ${LEAST_WIDTH} by ${LEAST_HEIGHT} pixels or more`,
  })
}

function isBetween(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}
