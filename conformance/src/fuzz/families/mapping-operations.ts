import fc from 'fast-check'
import { type Operation, operation } from '../family'
import { describeBytes } from '../outcome'
import { byte, HUGE_PAGE, index, length, type MemoryWorld, offset } from './memfd-world'

const PRESENT = 1n << 63n
const SWAPPED = 1n << 62n
const FILE_OR_SHARED = 1n << 61n

const pages = fc.record({ first: fc.nat(6), count: fc.nat(5), odd: fc.constantFrom(0, 0, 0, 1, 100, 4095) })
const part = { mapping: index, offset, byteLength: length }

/** What is done to mappings of files in memory. */
export const mappingOperations: Record<string, Operation<MemoryWorld>> = {
  mmap: operation(
    fc.record({ fd: index, pages, writable: fc.boolean() }),
    ({ fd, pages: { first, count, odd }, writable }, world) => {
      const own = world.fd(fd)
      const unit = (world.sizeOf(own) ?? 0) >= HUGE_PAGE ? HUGE_PAGE : 4096
      const position = first * unit
      const byteLength = count * unit + odd || unit
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
    ({ mapping, offset, byteLength, value }, { mappings }) => {
      const mapped = mappings.at(mapping)
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
    ({ mapping, offset, byteLength }, { mappings }) => {
      const bytes = mappings.at(mapping)?.mapping.bytes
      if (!bytes) return 'none'
      const start = offset % bytes.length
      return describeBytes(bytes.subarray(start, start + byteLength))
    },
    3,
  ),
  mlock: operation(fc.record(part), (words, world) => lock(world, words, 'mlock')),
  munlock: operation(fc.record(part), (words, world) => lock(world, words, 'munlock')),
  pin: operation(fc.record(part), ({ mapping, offset, byteLength }, { kernel, mappings, pins }) => {
    const mapped = mappings.at(mapping)
    if (!mapped) return 'none'
    return pins.add(kernel.pin(mapped.mapping, offset, byteLength))
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

function lock(
  { kernel, mappings }: MemoryWorld,
  { mapping, offset, byteLength }: { mapping: number; offset: number; byteLength: number },
  verb: 'mlock' | 'munlock',
): string | undefined {
  const mapped = mappings.at(mapping)
  if (!mapped) return 'none'
  kernel[verb](mapped.mapping, offset, byteLength)
  return undefined
}
