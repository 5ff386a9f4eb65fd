import fc from 'fast-check'
import { type Operation, operation } from '../family'
import { describeBytes } from '../outcome'
import {
  byte,
  type DescriptorWords,
  descriptorOf,
  HUGE_PAGE,
  index,
  length,
  type Mapped,
  type MemoryWorld,
  offset,
} from './memfd-world'

const PRESENT = 1n << 63n
const SWAPPED = 1n << 62n
const FILE_OR_SHARED = 1n << 61n

const pages = fc.record({ first: fc.nat(6), count: fc.nat(5), odd: fc.constantFrom(0, 0, 0, 1, 100, 4095) })
/** A part of a mapping by index, any that the program has had; or one within a mapping that is open. */
interface PartWords {
  readonly mapping: number
  readonly offset: number
  readonly byteLength: number
  readonly within?: boolean
}
const mostly = fc.constantFrom(true, true, true, false)
const part = { mapping: index, offset, byteLength: length, within: mostly }

const isOpen = ({ mapping }: Mapped) => !mapping.closed
const canBeWritten = (mapped: Mapped) => isOpen(mapped) && mapped.writable

/** A mapping and what is meant of it. */
function partOf({ mappings }: MemoryWorld, words: PartWords, fits = isOpen) {
  const { mapping, offset, byteLength, within } = words
  const mapped = within ? mappings.fitting(mapping, fits) : mappings.at(mapping)
  const end = mapped?.mapping.byteLength
  if (!within || end === undefined) return { mapped, offset, byteLength }
  const start = offset % end
  return { mapped, offset: start, byteLength: Math.min(byteLength, end - start) }
}

interface MmapWords {
  readonly fd: DescriptorWords
  readonly pages: { readonly first: number; readonly count: number; readonly odd: number }
  readonly writable: boolean
  /** Whether it is made to lie within the file. */
  readonly within?: boolean
}

/** What is done to mappings of files in memory. */
export const mappingOperations: Record<string, Operation<MemoryWorld>> = {
  mmap: operation(
    fc.record({ fd: descriptorOf('memory'), pages, writable: mostly, within: fc.boolean() }),
    ({ fd, pages: { first, count, odd }, writable, within }: MmapWords, world) => {
      const own = world.fd(fd)
      const unit = (world.sizeOf(own) ?? 0) >= HUGE_PAGE ? HUGE_PAGE : 4096
      const end = Math.ceil((world.factsOf(own)?.byteLength ?? unit) / unit)
      const start = within ? first % end : first
      const position = start * unit
      const most = within ? (end - start) * unit : Number.POSITIVE_INFINITY
      const byteLength = Math.min(count * unit + odd || unit, most)
      const access = writable ? 'read-write' : 'read'
      const mapping = world.kernel.mmap(own, { byteLength, position, access })
      world.mappings.add({ mapping, writable })
      return mapping.byteLength
    },
    4,
  ),
  unmap: operation(fc.record({ mapping: index }), ({ mapping }, { mappings }) => {
    const mapped = mappings.at(mapping)
    mapped?.mapping.close()
    return mapped?.mapping.closed
  }),
  poke: operation(
    fc.record({ ...part, value: byte }),
    ({ value, ...words }: PartWords & { value: number }, world) => {
      const { mapped, offset, byteLength } = partOf(world, words, canBeWritten)
      // A write to what is mapped for reading ends the process.
      if (!mapped?.writable) return 'not writable'
      const { bytes } = mapped.mapping
      const start = offset % bytes.length
      bytes.fill(value, start, start + byteLength)
      return undefined
    },
    3,
  ),
  look: operation(
    fc.record(part),
    (words: PartWords, world) => {
      const { mapped, offset, byteLength } = partOf(world, words)
      const bytes = mapped?.mapping.bytes
      if (!bytes) return 'none'
      const start = offset % bytes.length
      return describeBytes(bytes.subarray(start, start + byteLength))
    },
    3,
  ),
  mlock: operation(fc.record(part), (words, world) => lock(world, words, 'mlock')),
  munlock: operation(fc.record(part), (words, world) => lock(world, words, 'munlock')),
  pin: operation(fc.record(part), (words: PartWords, world) => {
    const { mapped, offset, byteLength } = partOf(world, words)
    if (!mapped) return 'none'
    return world.pins.add(world.kernel.pin(mapped.mapping, offset, byteLength))
  }),
  unpin: operation(fc.record({ pin: index }), ({ pin }, { pins }) => {
    const own = pins.at(pin)
    own?.close()
    return own?.closed
  }),
  counts: operation(fc.constant({}), (_words, world) => world.counts()),
  pagemap: operation(
    fc.record({ mapping: index, page: fc.nat(8) }),
    ({ mapping, page }, { kernel, mappings }) => {
      const mapped = mappings.at(mapping)?.mapping
      if (!mapped) return 'none'
      const start = (page * 4096) % mapped.byteLength
      // Which pages are there that nobody has looked at depends on what a fault brings in besides: the fake has them all.
      const first = mapped.bytes[start]
      const entry = new BigUint64Array(1)
      const count = kernel.readPagemap(mapped.address + start, entry)
      // Frames differ; who else has the page, and whether it was written to, is not kept by the fake.
      return [first, count, entry[0]! & (PRESENT | SWAPPED | FILE_OR_SHARED)]
    },
  ),
}

function lock(world: MemoryWorld, words: PartWords, verb: 'mlock' | 'munlock'): string | undefined {
  const { mapped, offset, byteLength } = partOf(world, words)
  if (!mapped) return 'none'
  world.kernel[verb](mapped.mapping, offset, byteLength)
  return undefined
}
