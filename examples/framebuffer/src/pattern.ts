import { drawNumber } from './digits'
import { STAMP_WIDTH, stampLines } from './stamp'
import { colourOf, fillRectangle, mix, type Surface } from './surface'

/** Colour bars at three quarters of full brightness, as television has them. */
const BARS = [0xbfbfbf, 0xbfbf00, 0x00bfbf, 0x00bf00, 0xbf00bf, 0xbf0000, 0x0000bf] as const
const DISC = 0xffb347

/** Draws a test pattern in which everything moves from frame to frame, so that a torn picture shows. */
export function drawFrame(surface: Surface, number: number): void {
  const { height } = surface
  const bars = Math.round(height * 0.2)
  const ramp = Math.round(height * 0.86)
  drawBars(surface, 0, bars, number)
  drawField(surface, bars, ramp, number)
  drawRamp(surface, ramp, height)
  drawDisc(surface, bars, ramp, number)
  drawWand(surface, number)
  const dot = Math.floor(height / 68)
  drawNumber(surface, number, STAMP_WIDTH + 3 * dot, ramp - 10 * dot, dot)
  stampLines(surface, number)
}

function drawBars(surface: Surface, top: number, bottom: number, number: number): void {
  const wide = surface.width - 2 * STAMP_WIDTH
  const line = Uint32Array.from({ length: wide }, (_, x) => {
    const shifted = (x + number * 29) % wide
    return BARS[Math.floor((shifted * BARS.length) / wide)]!
  })
  for (let y = top; y < bottom; y++) surface.pixels.set(line, y * surface.pitch + STAMP_WIDTH)
}

/** All hues, darker from line to line. */
function drawField(surface: Surface, top: number, bottom: number, number: number): void {
  const wide = surface.width - 2 * STAMP_WIDTH
  const hues = Uint32Array.from({ length: wide }, (_, x) => hue((x / wide + number / 24) % 1))
  for (let y = top; y < bottom; y++) {
    const dark = Math.round(40 + (190 * (y - top)) / (bottom - top))
    const start = y * surface.pitch + STAMP_WIDTH
    for (let x = 0; x < wide; x++) surface.pixels[start + x] = mix(hues[x]!, 0x0a0e24, dark)
  }
}

/** From black to white, once without steps and once in eleven. */
function drawRamp(surface: Surface, top: number, bottom: number): void {
  const wide = surface.width - 2 * STAMP_WIDTH
  const grey = (level: number) => colourOf(level, level, level)
  const smooth = Uint32Array.from({ length: wide }, (_, x) => grey(Math.round((255 * x) / (wide - 1))))
  const steps = smooth.map((_, x) => grey(Math.round((255 * Math.floor((x * 11) / wide)) / 10)))
  const middle = Math.round((top + bottom) / 2)
  for (let y = top; y < bottom; y++) {
    surface.pixels.set(y < middle ? smooth : steps, y * surface.pitch + STAMP_WIDTH)
  }
}

/** A ball that goes to and fro and bounces on the way. */
function drawDisc(surface: Surface, top: number, bottom: number, number: number): void {
  const { pixels, width, height, pitch } = surface
  const radius = height / 7
  const free = width - 2 * STAMP_WIDTH - 2 * radius
  const way = (number * 53 + free * 0.35) % (2 * free)
  const centreX = STAMP_WIDTH + radius + (way < free ? way : 2 * free - way)
  const fall = ((number * 0.17) % 1) * 2 - 1
  const centreY = top + radius + (bottom - top - 2 * radius) * fall * fall
  for (let y = Math.ceil(centreY - radius); y < centreY + radius; y++) {
    for (let x = Math.ceil(centreX - radius); x < centreX + radius; x++) {
      const across = (x - centreX) / radius
      const down = (y - centreY) / radius
      const distance = Math.hypot(across, down)
      // The edge is blended over the width of a pixel.
      const cover = Math.min(1, Math.max(0, (1 - distance) * radius))
      if (cover === 0) continue
      const depth = Math.sqrt(Math.max(0, 1 - distance * distance))
      const light = Math.min(1, Math.max(0.12, -0.5 * across - 0.55 * down + 0.67 * depth))
      const place = y * pitch + x
      pixels[place] = mix(pixels[place]!, mix(0, DISC, Math.round(256 * light)), Math.round(256 * cover))
    }
  }
}

/** A line from top to bottom: what breaks first where a picture is torn. */
function drawWand(surface: Surface, number: number): void {
  const wide = surface.width - 2 * STAMP_WIDTH - 6
  const x = STAMP_WIDTH + ((Math.round(wide * 0.62) + number * 41) % wide)
  fillRectangle(surface, { x, y: 0, width: 6, height: surface.height }, 0x101018)
  fillRectangle(surface, { x: x + 2, y: 0, width: 2, height: surface.height }, 0xffffff)
}

/** A colour of the circle; `turn` is 0 or more and below 1. */
function hue(turn: number): number {
  const level = (shift: number) => {
    const place = (turn * 6 + shift) % 6
    return Math.round(255 * Math.min(1, Math.max(0, Math.min(place, 4 - place))))
  }
  return colourOf(level(2), level(0), level(4))
}
