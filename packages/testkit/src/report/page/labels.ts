import { button, element } from './dom'
import type { PlacedRow } from './pen'
import type { ReportView } from './report-view'

/** What the rows are, at their left: only for those in view, however many there are. */
export class RowLabels {
  readonly element = element('div', { className: 'labels' })
  readonly #view: ReportView
  #shown = ''

  constructor(view: ReportView) {
    this.#view = view
  }

  show(rows: readonly PlacedRow[], scrolled: number): void {
    const key = rows
      .map(({ row, top, height }) => `${row.device} ${row.label} ${row.detail} ${top} ${height}`)
      .join('\n')
    if (key === this.#shown) return
    this.#shown = key
    const hadFocus = this.element.contains(document.activeElement)
    this.element.replaceChildren(...rows.map((placed) => this.#label(placed, scrolled)))
    if (hadFocus) (this.element.firstElementChild as HTMLElement | null)?.focus()
  }

  #label({ row, top, height }: PlacedRow, scrolled: number): HTMLElement {
    const { kind, label, detail, mappings } = row
    const words = [element('b', {}, label), element('small', {}, detail)]
    const first = mappings[0]?.from ?? row.events[0]
    const made =
      first === undefined
        ? element('div', {}, ...words)
        : button('', () => this.#view.select(first), { title: `${label} ${detail}` })
    if (first !== undefined) made.append(...words)
    made.className = `label ${kind}`
    if (mappings[0]) made.dataset.mapping = String(mappings[0].mapping)
    made.style.top = `${top + scrolled}px`
    made.style.height = `${height}px`
    return made
  }
}
