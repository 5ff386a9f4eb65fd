// By the package's own name, as vfio does: its devices are then of the same class.
import {
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaMapSingle,
  type StreamingMapping,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** How much of a range an event brings across: the lines that it touches, its bytes, or nothing. */
type Extent = 'lines' | 'bytes' | 'nothing'
/** By direction: to the device, from it, both. */
type Row = readonly [to: Extent, from: Extent, both: Extent]

/**
 * What Linux does, as data. `write-back` is arm64 (arch/arm64/mm/dma-mapping.c): a clean for every direction, an invalidation unless the
 * direction is to the device. `bounce` is swiotlb (kernel/dma/swiotlb.c): a copy in at every map, else only where the direction says so.
 */
const table = {
  'write-back': {
    'what the CPU wrote gets to the device': {
      map: ['lines', 'lines', 'lines'],
      syncForDevice: ['lines', 'lines', 'lines'],
    },
    'what the device wrote gets to the CPU': {
      map: ['nothing', 'nothing', 'nothing'],
      syncForDevice: ['nothing', 'nothing', 'nothing'],
      syncForCpu: ['nothing', 'lines', 'lines'],
      unmap: ['nothing', 'lines', 'lines'],
    },
  },
  bounce: {
    'what the CPU wrote gets to the device': {
      map: ['bytes', 'bytes', 'bytes'],
      syncForDevice: ['bytes', 'nothing', 'bytes'],
      syncForCpu: ['nothing', 'nothing', 'nothing'],
    },
    'what the device wrote gets to the CPU': {
      map: ['nothing', 'nothing', 'nothing'],
      syncForDevice: ['nothing', 'nothing', 'nothing'],
      syncForCpu: ['nothing', 'bytes', 'bytes'],
      unmap: ['nothing', 'bytes', 'bytes'],
    },
  },
} as const satisfies Record<string, Record<string, Partial<Record<Event, Row>>>>

type Event = 'map' | 'syncForDevice' | 'syncForCpu' | 'unmap'

/** Ranges of a buffer of 256 bytes: the bytes, and the lines of 64 that they lie in. */
const ranges = {
  'inside a line': { bytes: [8, 24], lines: [0, 64] },
  'over lines': { bytes: [40, 150], lines: [0, 192] },
  'from the middle of a line to the end of one': { bytes: [100, 192], lines: [64, 192] },
  'one line': { bytes: [128, 192], lines: [128, 192] },
  whole: { bytes: [0, 256], lines: [0, 256] },
} as const

const length = 256
const before = 1
const after = 2

describe.each(Object.entries(table))('on a %s machine', (coherence, halves) => {
  describe.each(Object.entries(halves))('%s', (half, events) => {
    describe.each(Object.entries(events) as [Event, Row][])('by %s', (event, row) => {
      for (const [index, direction] of ([ToDevice, FromDevice, Bidirectional] as const).entries()) {
        it.each(Object.entries(ranges))(
          `${['to the device', 'from the device', 'both ways'][index]}, %s`,
          (_, range) => {
            const bench = new Bench(coherence as keyof typeof table, direction, range.bytes)
            const seen = half.startsWith('what the CPU')
              ? bench.towardsDevice(event)
              : bench.towardsCpu(event)
            expect(seen).toEqual(expected(row[index]!, range, bench.reach))
          },
        )
      }
    })
  })
})

/** The buffer with what came across, as far as it can be looked at. */
function expected(
  extent: Extent,
  range: Record<'bytes' | 'lines', readonly [number, number]>,
  [from, to]: readonly [number, number],
): number[] {
  const bytes = new Array<number>(length).fill(before)
  if (extent !== 'nothing') bytes.fill(after, ...range[extent])
  return bytes.slice(from, to)
}

/** A buffer of a region, a device that does what it is told, and no syncs but those that are asked for. */
class Bench {
  readonly machine
  readonly #device
  readonly #plain = new PlainDevice()
  readonly #region
  readonly #buffer: Uint8Array
  /** What of the buffer can be seen: a device reaches only the copy of what is mapped. */
  reach: readonly [number, number] = [0, length]

  constructor(
    readonly coherence: keyof typeof table,
    readonly direction: TransferDirection,
    readonly range: readonly [number, number],
  ) {
    this.machine = createFakeMachine({ coherence, checks: 'off' })
    this.machine.addDevice(this.#plain)
    this.#device = openVfioDevice(this.#plain.address, { kernel: this.machine.kernel })
    this.#device.setMaster()
    this.#region = createDmaRegion(this.#device, { byteLength: 4096 })
    this.#buffer = this.#region.bytes.subarray(1024, 1024 + length)
    this.#buffer.fill(before)
    this.#map(0, length, Bidirectional).unmap()
  }

  /** The CPU writes, the event comes, the device looks. */
  towardsDevice(event: Event): number[] {
    const isMap = event === 'map'
    const mapping = isMap ? undefined : this.#map(0, length)
    this.#buffer.fill(after)
    const [from, to] = this.range
    const seen = mapping ?? this.#map(from, to)
    if (mapping !== undefined) this.#does(event, mapping)
    const address = toNumber(seen.dmaAddress)
    if (this.coherence === 'bounce' && isMap) this.reach = this.range
    const start = isMap && this.coherence === 'write-back' ? address - from : address
    return this.#plain.readMemory(start, this.reach[1] - this.reach[0]).bytes
  }

  /** The device writes, the event comes, the CPU looks. */
  towardsCpu(event: Event): number[] {
    const [from, to] = this.range
    // What is unmapped is what was mapped. What was written before a map is left over from another mapping.
    const isUnmap = event === 'unmap'
    const mapping = isUnmap ? this.#map(from, to) : this.#map(0, length)
    const start = toNumber(mapping.dmaAddress) - (isUnmap && this.coherence === 'write-back' ? from : 0)
    const whole = !isUnmap || this.coherence === 'write-back'
    this.#plain.writeMemory(start, new Array<number>(whole ? length : to - from).fill(after))
    if (event === 'map') {
      mapping.unmap(DmaAttribute.SkipCpuSync)
      this.#map(from, to)
    } else {
      this.#does(event, mapping)
    }
    return [...this.#buffer]
  }

  #does(event: Event, mapping: StreamingMapping): void {
    const [from, to] = this.range
    if (event === 'unmap') mapping.unmap()
    else if (event !== 'map') mapping[event](from, to - from)
  }

  #map(from: number, to: number, direction = this.direction): StreamingMapping {
    return dmaMapSingle(this.#device, this.#buffer.subarray(from, to), direction)
  }
}
