import type { ReportView } from './report-view'

/** Keys that work anywhere but where one types. */
export function addKeys(view: ReportView): void {
  const actions: Readonly<Record<string, () => void>> = {
    '+': () => view.zoom(1 / 1.6),
    '=': () => view.zoom(1 / 1.6),
    '-': () => view.zoom(1.6),
    '0': () => view.fit(),
    ArrowLeft: () => view.pan(-0.2),
    ArrowRight: () => view.pan(0.2),
    n: () => view.step(1),
    p: () => view.step(-1),
    N: () => view.stepProblem(1),
    P: () => view.stepProblem(-1),
    Escape: () => view.select(undefined),
    '/': () => document.getElementById('search')?.focus(),
  }
  document.addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement
    const action = actions[event.key]
    if (typing || !action || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    action()
  })
}
