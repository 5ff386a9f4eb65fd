/** Colours of the page's style, for what is drawn. Each has a shape or words beside it: none says anything alone. */
export interface Colours {
  readonly ink: string
  readonly quiet: string
  readonly line: string
  readonly paper: string
  readonly band: string
  readonly cpu: string
  readonly device: string
  readonly both: string
  readonly onOwner: string
  readonly register: string
  readonly interrupt: string
  readonly problem: string
  readonly chosen: string
}

const names: Record<keyof Colours, string> = {
  ink: '--ink',
  quiet: '--quiet',
  line: '--line',
  paper: '--paper',
  band: '--band',
  cpu: '--cpu',
  device: '--device',
  both: '--both',
  onOwner: '--on-owner',
  register: '--register',
  interrupt: '--interrupt',
  problem: '--problem',
  chosen: '--chosen',
}

/** As they are now: they change with the reader's choice of dark or light. */
export function readColours(): Colours {
  const style = getComputedStyle(document.documentElement)
  const entries = Object.entries(names).map(([key, name]) => [key, style.getPropertyValue(name).trim()])
  return Object.fromEntries(entries) as Colours
}

/** Diagonal lines, by which the device's bytes are told from the CPU's without their colour. */
export function hatch(context: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const tile = document.createElement('canvas')
  tile.width = tile.height = 8
  const lines = tile.getContext('2d')!
  lines.strokeStyle = colour
  lines.lineWidth = 1.5
  lines.beginPath()
  for (const shift of [-8, 0, 8]) {
    lines.moveTo(shift - 1, 9)
    lines.lineTo(shift + 9, -1)
  }
  lines.stroke()
  return context.createPattern(tile, 'repeat') ?? colour
}
