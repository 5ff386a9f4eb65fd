import { type EventGroup, eventGroups } from '../model/event-text'
import { button, element } from './dom'
import type { ReportView } from './report-view'

const groupWords: Readonly<Record<EventGroup, string>> = {
  mapping: 'mappings',
  dma: 'device DMA',
  register: 'registers',
  interrupt: 'interrupts',
  problem: 'problems',
  note: 'notes',
}

/** Search and filters, zoom, and how events are laid out. */
export function makeToolbar(view: ReportView): HTMLElement {
  const bar = element('div', { id: 'toolbar', role: 'toolbar', 'aria-label': 'What is shown' })
  bar.append(searchBox(view), ...deviceChoice(view), groupButtons(view), zoomButtons(view), axisButton(view))
  return bar
}

function searchBox(view: ReportView): HTMLElement {
  const box = element('input', {
    id: 'search',
    type: 'search',
    placeholder: 'Search: words, or an address 0x…',
    'aria-label': 'Search for words, or for what is about the byte at an address',
    input: () => view.setFilter({ ...view.filter, text: box.value }),
  })
  view.onChange(() => {
    if (box.value !== view.filter.text) box.value = view.filter.text
  })
  return box
}

function deviceChoice(view: ReportView): HTMLElement[] {
  const devices = [...new Set(view.timeline.trace.events.map(({ device }) => device))]
  if (devices.length < 2) return []
  const choice = element('select', {
    'aria-label': 'Device',
    change: () => {
      const { selectedIndex } = choice
      view.setFilter({ ...view.filter, device: selectedIndex === 0 ? undefined : devices[selectedIndex - 1] })
    },
  })
  choice.append(
    ...['all devices', ...devices.map((name) => name || 'the machine')].map((name) => new Option(name)),
  )
  view.onChange(() => {
    const { device } = view.filter
    choice.selectedIndex = device === undefined ? 0 : devices.indexOf(device) + 1
  })
  return [choice]
}

function groupButtons(view: ReportView): HTMLElement {
  const group = element('span', { role: 'group', 'aria-label': 'Kinds of events' })
  for (const name of eventGroups) {
    const one = button(groupWords[name], () => {
      const groups = new Set(view.filter.groups)
      if (!groups.delete(name)) groups.add(name)
      view.setFilter({ ...view.filter, groups })
    })
    view.onChange(() => one.setAttribute('aria-pressed', String(view.filter.groups.has(name))))
    group.append(one)
  }
  return group
}

function zoomButtons(view: ReportView): HTMLElement {
  return element(
    'span',
    { role: 'group', 'aria-label': 'Zoom' },
    button('−', () => view.zoom(1.6), { id: 'zoom-out', title: 'Zoom out (−)', 'aria-label': 'Zoom out' }),
    button('+', () => view.zoom(1 / 1.6), { id: 'zoom-in', title: 'Zoom in (+)', 'aria-label': 'Zoom in' }),
    button('Fit', () => view.fit(), { id: 'fit', title: 'All of it (0)' }),
  )
}

function axisButton(view: ReportView): HTMLElement {
  const one = button('', () => view.setAxis(view.axis.kind === 'step' ? 'time' : 'step'), {
    id: 'axis',
    title: 'Events one beside the other, or where the clock has them',
  })
  view.onChange(() => {
    one.textContent = view.axis.kind === 'step' ? 'axis: event by event' : 'axis: by time'
  })
  return one
}
