/** Makes a canvas as many points large as it is on the page, at the screen's own resolution. @returns what to draw with, wiped */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)]
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide
    canvas.height = high
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
  }
  const context = canvas.getContext('2d')!
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  context.textBaseline = 'middle'
  context.font = '11px ui-sans-serif, system-ui, sans-serif'
  return context
}

/** Words, if they fit into `room`. @returns whether they did */
export function fitText(
  context: CanvasRenderingContext2D,
  words: string,
  x: number,
  y: number,
  room: number,
): boolean {
  // Measuring is the dear part: no font is this narrow.
  if (words.length * 4 > room || context.measureText(words).width > room) return false
  context.fillText(words, x, y)
  return true
}
