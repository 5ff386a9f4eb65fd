import { DmaError } from '@linux-dma/native'
import type { Trace, TraceEvent } from '../trace/trace-event'
import { DmaDirection } from '../u-dma-buf/direction'
import {
  directionNames,
  forCpuHint,
  type KnownMapping,
  mappedAt,
  milliseconds,
  within,
} from './known-mapping'
import type { StaleBytes } from './machine-caches'

/** Writes that are told of one by one. */
const MOST_TOLD = 5

/**
 * What may be behind a test that failed: bytes that it cannot have seen. Nobody sees a program read an ArrayBuffer.
 * @param unshown one or more, oldest first: the last ones are told of
 * @param trace of the machine: knows where they were mapped, also where that is over
 */
export function neverShown(unshown: readonly StaleBytes[], trace: Trace): DmaError {
  const { events } = trace
  const told = unshown.slice(-MOST_TOLD).map((write) => ({ write, mapping: mappingOf(write, events) }))
  const more = unshown.length - told.length
  const lines = told.map(({ write, mapping }) => {
    const where = within(mapping, write.address, write.byteLength)
    const message = `${where} were written by ${write.device} at ${milliseconds(write.time)} and not synced for the CPU`
    return `${message}${mappedAt(mapping)}`.replaceAll('\n', '\n  ')
  })
  if (more > 0) lines.push(`and ${more} more before`)
  const message = `stale, for whoever looked at these bytes, since no sync had shown them:\n  ${lines.join('\n  ')}`
  const { mapping } = told.at(-1)!
  return new DmaError('DMA_STALE', message, {
    hint: forCpuHint(mapping ?? { family: 'single', direction: DmaDirection.FromDevice }),
  })
}

/** What was mapped there when the device wrote. */
function mappingOf({ device, address }: StaleBytes, events: readonly TraceEvent[]): KnownMapping | undefined {
  const covers = (event: TraceEvent & { address: string; byteLength: number }) => {
    const offset = address - Number(event.address)
    return event.device === device && offset >= 0 && offset < event.byteLength
  }
  const isWrite = (event: TraceEvent) => event.kind === 'dma' && event.access === 'write' && covers(event)
  const before = events.slice(0, Math.max(0, events.findLastIndex(isWrite)))
  const found = before.findLast((event) => event.kind === 'map' && covers(event))
  if (found?.kind !== 'map') return undefined
  const { family, byteLength: size, at = 'at an unknown place' } = found
  const direction = Number(Object.entries(directionNames).find(([, name]) => name === found.direction)![0])
  return { device, family, address: Number(found.address), size, direction, mappedAt: at }
}
