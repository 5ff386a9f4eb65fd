import type { Surface } from './surface'

/** Pixels that a stamp takes on either side of each line. */
export const STAMP_WIDTH = 32
/** Frames that can be told apart. */
export const MOST_FRAMES = 2 ** 16

const BITS = 16
const BLOCK = STAMP_WIDTH / BITS
const LIGHT = 0xc8ccd4
const DARK = 0x12141a

/**
 * Writes the frame's number into every line: its sixteen bits on the left, and the same inverted on the right. Lines of two
 * frames in one picture, or a line that is half drawn, cannot go unseen then.
 */
export function stampLines({ pixels, width, height, pitch }: Surface, number: number): void {
  const stamp = new Uint32Array(STAMP_WIDTH).map((_, x) => colourOfBit(number, x))
  const inverted = stamp.map((colour) => (colour === LIGHT ? DARK : LIGHT))
  for (let line = 0; line < height; line++) {
    pixels.set(stamp, line * pitch)
    pixels.set(inverted, line * pitch + width - STAMP_WIDTH)
  }
}

/** What is wrong with a picture that should be of this frame: undefined if every line has both of its stamps. */
export function findTear({ pixels, width, height, pitch }: Surface, number: number): string | undefined {
  for (let line = 0; line < height; line++) {
    const left = readStamp(pixels, line * pitch)
    const right = readStamp(pixels, line * pitch + width - STAMP_WIDTH)
    const found = left !== undefined && right === (~left & (MOST_FRAMES - 1)) ? left : undefined
    if (found === number) continue
    return found === undefined ? `line ${line} is half drawn` : `line ${line} is of frame ${found}`
  }
  return undefined
}

function colourOfBit(number: number, x: number): number {
  const bit = BITS - 1 - Math.floor(x / BLOCK)
  return (number >>> bit) & 1 ? LIGHT : DARK
}

/** Undefined where there is none. */
function readStamp(pixels: Uint32Array, start: number): number | undefined {
  let number = 0
  for (let x = 0; x < STAMP_WIDTH; x++) {
    const colour = pixels[start + x]!
    if (colour !== LIGHT && colour !== DARK) return undefined
    const bit = colour === LIGHT ? 1 : 0
    if (x % BLOCK === 0) number = (number << 1) | bit
    else if ((number & 1) !== bit) return undefined
  }
  return number
}
