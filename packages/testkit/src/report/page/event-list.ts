import { describeEvent } from '../model/event-text'
import { formatTime } from '../model/ticks'
import { element } from './dom'
import type { ReportView } from './report-view'

const ROW = 22

/** The events in words, for reading one by one. Only those in view are in the page, however many there are. */
export class EventList {
  readonly element: HTMLElement
  readonly #view: ReportView
  readonly #heading = element('h2')
  readonly #body = element('div', { className: 'body', role: 'listbox', tabIndex: 0, id: 'event-list' })
  readonly #inner = element('div', { className: 'inner', role: 'presentation' })
  #selected: number | undefined

  constructor(view: ReportView) {
    this.#view = view
    this.#body.setAttribute('aria-label', 'Events')
    this.#body.append(this.#inner)
    this.#body.addEventListener('scroll', () => this.#draw(), { passive: true })
    this.#body.addEventListener('keydown', (event) => this.#onKey(event))
    this.element = element('section', { id: 'events', 'aria-label': 'Events' }, this.#heading, this.#body)
    view.onChange(() => this.#update())
  }

  #update(): void {
    const { listed, selected, timeline } = this.#view
    const all = timeline.trace.events.length
    this.#heading.textContent = listed.length === all ? `${all} events` : `${listed.length} of ${all} events`
    this.#inner.style.height = `${listed.length * ROW}px`
    if (selected !== this.#selected) this.#reveal()
    this.#selected = selected
    this.#draw()
  }

  #reveal(): void {
    const { listed, selected } = this.#view
    const at = selected === undefined ? -1 : listed.indexOf(selected)
    const { scrollTop, clientHeight } = this.#body
    if (at < 0 || (at * ROW >= scrollTop && (at + 1) * ROW <= scrollTop + clientHeight)) return
    this.#body.scrollTop = at * ROW - clientHeight / 2
  }

  #draw(): void {
    const { listed } = this.#view
    const { scrollTop, clientHeight } = this.#body
    const first = Math.max(Math.floor(scrollTop / ROW) - 4, 0)
    const indices = listed.slice(first, first + Math.ceil(clientHeight / ROW) + 8)
    this.#inner.replaceChildren(...indices.map((index, i) => this.#row(index, first + i)))
    const { selected } = this.#view
    this.#body.setAttribute('aria-activedescendant', selected === undefined ? '' : `event-${selected}`)
  }

  #row(index: number, at: number): HTMLElement {
    const { timeline, listed, selected } = this.#view
    const event = timeline.trace.events[index]!
    const problem = timeline.problemsAt.has(index)
    const words = `${problem ? '✕ ' : ''}${describeEvent(event)}`
    const row = element(
      'div',
      {
        role: 'option',
        id: `event-${index}`,
        className: problem ? 'problem' : '',
        click: () => this.#view.select(index),
      },
      element('span', {}, String(event.n)),
      element('span', {}, formatTime(event.time)),
      element('span', { title: words }, words),
    )
    row.setAttribute('aria-selected', String(index === selected))
    row.setAttribute('aria-setsize', String(listed.length))
    row.setAttribute('aria-posinset', String(at + 1))
    row.style.top = `${at * ROW}px`
    return row
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    event.preventDefault()
    this.#view.step(event.key === 'ArrowDown' ? 1 : -1)
  }
}
