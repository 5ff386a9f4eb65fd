import { byteLengthOf, type FrameFormat } from './format'

/** A frame's bytes as pixels, each a number 0xRRGGBB. They are the bytes themselves: nothing is copied. */
export interface Surface {
  readonly pixels: Uint32Array
  readonly width: number
  readonly height: number
  /** Pixels from one line to the next. */
  readonly pitch: number
}

/** @param bytes of the whole frame, and perhaps of more */
export function surfaceOf(bytes: Uint8Array, format: FrameFormat): Surface {
  const { width, height, stride } = format
  const pixels = new Uint32Array(bytes.buffer, bytes.byteOffset, byteLengthOf(format) / 4)
  return { pixels, width, height, pitch: stride / 4 }
}

/** Fills a rectangle, of which as much is drawn as lies on the surface. */
export function fillRectangle(
  { pixels, width: right, height: bottom, pitch }: Surface,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
  colour: number,
): void {
  const start = Math.max(0, x)
  const end = Math.min(right, x + width)
  for (let line = Math.max(0, y); line < Math.min(bottom, y + height); line++) {
    pixels.fill(colour, line * pitch + start, line * pitch + end)
  }
}

/** 0xRRGGBB of three parts of 0 to 255. */
export function colourOf(red: number, green: number, blue: number): number {
  return (red << 16) | (green << 8) | blue
}

/** A colour between two: `part` is 0 for the first, 256 for the second. */
export function mix(first: number, second: number, part: number): number {
  const rest = 256 - part
  const even = ((first & 0xff00ff) * rest + (second & 0xff00ff) * part) >>> 8
  const green = ((first & 0x00ff00) * rest + (second & 0x00ff00) * part) >>> 8
  return (even & 0xff00ff) | (green & 0x00ff00)
}
