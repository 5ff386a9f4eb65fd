import type { TraceEvent } from '../../trace/trace-event'

/** Kinds as one filters by them. */
export const eventGroups = ['mapping', 'dma', 'register', 'interrupt', 'problem', 'note'] as const

/** One of {@link eventGroups}. */
export type EventGroup = (typeof eventGroups)[number]

/** Which group an event is in. One that is also a hazard counts as a problem too, which the timeline knows. */
export function groupOf({ kind }: TraceEvent): EventGroup {
  if (kind === 'map' || kind === 'sync' || kind === 'unmap') return 'mapping'
  return kind === 'fault' || kind === 'misuse' ? 'problem' : kind
}

/** What happened, in a few words. */
export function describeEvent(event: TraceEvent): string {
  switch (event.kind) {
    case 'map':
      return `map ${event.mapping}: ${where(event)}, ${event.direction}, ${event.family}`
    case 'sync':
      return `sync ${event.mapping} for the ${event.for === 'cpu' ? 'CPU' : 'device'}: ${where(event)}`
    case 'unmap':
      return `unmap ${event.mapping}: ${where(event)}`
    case 'register': {
      const way = event.access === 'read' ? '→' : '←'
      return `${event.access} ${registerName(event)} ${way} ${registerValue(event)} (${event.width} bits)`
    }
    case 'dma':
      return `device ${event.access === 'read' ? 'reads' : 'writes'} ${where(event)}`
    case 'fault':
      return `fault: ${event.access} of ${where(event)} refused`
    case 'interrupt':
      return `interrupt ${event.vector} ${event.stage}${event.count < 2 ? '' : `, ${event.count} times`}`
    case 'misuse':
      return `misuse: ${withoutCode(event.message)}`
    case 'note':
      return firstLine(event.message)
  }
}

/** `dmaCommand (bar0+0x98)`, or `bar0+0x98` where nobody knows its name. */
export function registerName({ bar, offset, name }: { bar: number; offset: number; name?: string }): string {
  const place = `bar${bar}+0x${offset.toString(16).padStart(2, '0')}`
  return name === undefined ? place : `${name} (${place})`
}

/** In hexadecimal, as wide as the register. */
export function registerValue({ value, width }: { value: number | string; width: number }): string {
  if (typeof value === 'string') return value
  return `0x${(value < 0 ? value + 2 ** width : value).toString(16).padStart(width / 4, '0')}`
}

function where({ address, byteLength }: { address: string; byteLength: number }): string {
  return `${byteLength} bytes at ${address}`
}

/** What is wrong, of an error's message: in its first line, whose code says little beside that. */
export function withoutCode(message: string): string {
  return firstLine(message).replace(/^[A-Z][A-Z0-9_]+: /, '')
}

function firstLine(text: string): string {
  const end = text.indexOf('\n')
  return end < 0 ? text : text.slice(0, end)
}
