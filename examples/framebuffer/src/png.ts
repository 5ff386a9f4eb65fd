import { crc32 } from 'node:zlib'
import { PNG } from 'pngjs'
import type { Surface } from './surface'

/** Pixels that were taken out of a frame: three bytes each, without anything between the lines. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly bytes: Uint8Array
}

const RGB = 2
/** What each byte differs by from the pixel before: the cheapest of PNG's filters that helps. */
const FILTER_SUB = 1

/** Copies a frame's pixels out. */
export function takePicture({ pixels, width, height, pitch }: Surface): Picture {
  const bytes = new Uint8Array(width * height * 3)
  let at = 0
  for (let line = 0; line < height; line++) {
    for (let place = line * pitch; place < line * pitch + width; place++) {
      const pixel = pixels[place]!
      bytes[at++] = pixel >>> 16
      bytes[at++] = pixel >>> 8
      bytes[at++] = pixel
    }
  }
  return { width, height, bytes }
}

/** Tells pictures apart: the CRC-32 of the pixels, whatever file they are in. */
export function checksumOf({ bytes }: Picture): number {
  return crc32(bytes)
}

/** The picture as a file. */
export function encodePng({ width, height, bytes }: Picture): Uint8Array {
  const options = { width, height, colorType: RGB, inputColorType: RGB, inputHasAlpha: false } as const
  const png = new PNG({ ...options, filterType: FILTER_SUB })
  png.data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return PNG.sync.write(png, { ...options, filterType: FILTER_SUB })
}
