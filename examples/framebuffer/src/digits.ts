import { fillRectangle, type Surface } from './surface'

/** Five columns and seven lines each, a word for each line. */
const DIGITS = [
  [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
  [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
  [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
  [0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110],
  [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
  [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
  [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
  [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
  [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
  [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
] as const

const COLUMNS = 5
const LINES = 7

/** Writes a number of at least four digits, with its shadow. `dot` is how many pixels wide a dot of a digit is. */
export function drawNumber(surface: Surface, number: number, x: number, y: number, dot: number): void {
  const text = String(number).padStart(4, '0')
  const shadow = Math.ceil(dot / 3)
  for (const [place, digit] of [...text].entries()) {
    const left = x + place * (COLUMNS + 1) * dot
    drawDigit(surface, Number(digit), left + shadow, y + shadow, dot, 0x101018)
    drawDigit(surface, Number(digit), left, y, dot, 0xffffff)
  }
}

function drawDigit(
  surface: Surface,
  digit: number,
  left: number,
  top: number,
  dot: number,
  colour: number,
): void {
  for (let line = 0; line < LINES; line++) {
    for (let column = 0; column < COLUMNS; column++) {
      if (((DIGITS[digit]![line]! >> (COLUMNS - 1 - column)) & 1) === 0) continue
      fillRectangle(surface, { x: left + column * dot, y: top + line * dot, width: dot, height: dot }, colour)
    }
  }
}
