import type { ReportView } from './report-view'

/** A press that moves less than this is a click. */
const STILL = 4

/**
 * Wheel: nearer and farther; with Shift, or sideways, along. One pointer drags, two pinch. `scroll` is what holds rows that are out of view.
 */
export function addGestures(canvas: HTMLCanvasElement, view: ReportView, scroll: HTMLElement): void {
  canvas.addEventListener('wheel', (event) => onWheel(event, canvas, view), { passive: false })
  const pointers = new Map<number, { x: number; y: number }>()
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId)
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY })
  })
  canvas.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId)
    if (!before) return
    const now = { x: event.offsetX, y: event.offsetY }
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1]
    if (other) pinch(canvas, view, before.x, now.x, other.x)
    else if (moved(before, now) || canvas.dataset.dragging) {
      canvas.dataset.dragging = 'yes'
      view.pan((before.x - now.x) / canvas.clientWidth)
      scroll.scrollTop += before.y - now.y
    } else return
    pointers.set(event.pointerId, now)
  })
  const release = (event: PointerEvent) => {
    pointers.delete(event.pointerId)
    // The click that follows is the end of the drag.
    setTimeout(() => delete canvas.dataset.dragging)
  }
  canvas.addEventListener('pointerup', release)
  canvas.addEventListener('pointercancel', release)
}

/** The position of the axis at a point of an element as wide as what is seen. */
export function positionAt(canvas: HTMLElement, view: ReportView, x: number): number {
  return view.from + (x / canvas.clientWidth) * (view.to - view.from)
}

function onWheel(event: WheelEvent, canvas: HTMLCanvasElement, view: ReportView): void {
  event.preventDefault()
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1
  const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX
  if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) {
    view.pan((sideways * lines) / canvas.clientWidth)
    return
  }
  // A pinch on a touch pad comes as a wheel with Ctrl, in smaller numbers.
  const strength = event.ctrlKey ? 0.01 : 0.002
  view.zoom(Math.exp(event.deltaY * lines * strength), positionAt(canvas, view, event.offsetX))
}

/** What was under both fingers stays there. */
function pinch(
  canvas: HTMLCanvasElement,
  view: ReportView,
  before: number,
  now: number,
  other: number,
): void {
  const apart = Math.max(Math.abs(now - other), 10)
  view.zoom(Math.max(Math.abs(before - other), 10) / apart, positionAt(canvas, view, other))
}

function moved(a: { x: number; y: number }, b: { x: number; y: number }): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) > STILL
}
