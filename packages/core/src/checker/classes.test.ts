// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaChecker,
  DmaDirection,
  DmaMisuse,
  type DmaReport,
  dmaAddress,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaFreeCoherent,
  dmaMapResource,
  dmaMapSingle,
  dmaSetMaxSegSize,
  dmaSetSegBoundary,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaUnmapSingle,
  noteWindow,
  setDmaChecker,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, dmaSyncSgForCpu, dmaUnmapSg, SgTable } from '@linux-dma/sg'
import { createFakeMachine, EduDevice, type FakeMachineOptions } from '@linux-dma/testkit'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const PAGE = 4096

interface Bench {
  readonly machine: ReturnType<typeof createFakeMachine>
  readonly device: VfioDevice
  readonly checker: DmaChecker
  /** Memory of two pages, outside any region. */
  readonly memory: ReturnType<typeof allocateDmaMemory>
}

function open(
  options: ConstructorParameters<typeof DmaChecker>[0] = {},
  checks: FakeMachineOptions['checks'] & {} = 'off',
): Bench {
  const machine = createFakeMachine({ checks })
  const checker = new DmaChecker({ onError: 'collect', all: true, ...options })
  const { address } = machine.addDevice(new EduDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel, checked: checker })
  device.setMaster()
  return {
    machine,
    device,
    checker,
    memory: allocateDmaMemory({ byteLength: 2 * PAGE, kernel: device.kernel }),
  }
}

/** What a misuse leaves: where it is, and what the report of it has to say. */
interface Expected {
  readonly code: string
  readonly size?: number
  /** Offset in its page of the address that the report names. */
  readonly at?: number
  readonly direction?: DmaDirection
  readonly expected?: string | RegExp
  readonly actual?: string | RegExp
  /** Whether it says where the memory was mapped. */
  readonly mapped?: boolean
  readonly unmapped?: boolean
  readonly count?: number
}

interface Row extends Expected {
  readonly class: DmaMisuse
  readonly what: string
  readonly provoke: (bench: Bench) => void
}

/** One for each class that there is; 10 has a test of its own. */
const rows: readonly Row[] = [
  {
    class: 1,
    what: 'closed memory',
    code: 'DMA_CLOSED',
    size: 64,
    direction: ToDevice,
    provoke({ device, memory }) {
      const view = memory.bytes.subarray(0, 64)
      memory.close()
      dmaMapSingle(device, view, ToDevice)
    },
  },
  {
    class: 2,
    what: 'a resizable buffer',
    code: 'DMA_RESIZABLE',
    size: 64,
    direction: FromDevice,
    actual: /move or go/,
    provoke({ device }) {
      const buffer = new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(64, {
        maxByteLength: 128,
      })
      dmaMapSingle(device, new Uint8Array(buffer), FromDevice)
    },
  },
  {
    class: 3,
    what: 'a Uint8Array of JavaScript’s own heap',
    code: 'DMA_NOT_DMA_MEMORY',
    size: 64,
    direction: ToDevice,
    actual: /heap/,
    provoke: ({ device }) => dmaMapSingle(device, new Uint8Array(64), ToDevice),
  },
  {
    class: 4,
    what: 'a view of a mapping for reading, for the device to write',
    code: 'DMA_DEBUG',
    size: 64,
    direction: FromDevice,
    actual: /for reading/,
    provoke({ device, memory }) {
      // A real kernel gives each mapping an ArrayBuffer of its own, of which the fake's have one for all.
      const bytes = new Uint8Array(PAGE)
      noteWindow({ bytes, closed: false } as never, memory, 0, 'read')
      dmaMapSingle(device, bytes.subarray(0, 64), FromDevice).unmap()
    },
  },
  {
    class: 5,
    what: 'two buffers on one cache line',
    code: 'DMA_DEBUG',
    size: 40,
    at: 40,
    direction: FromDevice,
    actual: /40 bytes at 0x[0-9a-f]{13}000 of 0000:00:04.0/,
    mapped: true,
    count: 1,
    provoke({ device }) {
      const region = createDmaRegion(device, { byteLength: PAGE })
      const first = region.mapSingle(0, 40, FromDevice)
      const second = region.mapSingle(40, 40, FromDevice)
      region.unmapSingle(second)
      region.unmapSingle(first)
    },
  },
  {
    class: 6,
    what: 'nine buffers on one cache line',
    code: 'DMA_DEBUG',
    size: 4,
    at: 32,
    direction: Bidirectional,
    mapped: true,
    count: 8,
    provoke({ device }) {
      const region = createDmaRegion(device, { byteLength: PAGE })
      // SkipCpuSync says that eight of them are meant.
      const handles = Array.from({ length: 9 }, (_, i) => region.mapSingle(i * 4, 4, Bidirectional, 1 << 5))
      for (const handle of handles) region.unmapSingle(handle)
    },
  },
  {
    class: 7,
    what: 'a segment that is longer than the device takes',
    code: 'DMA_DEBUG',
    size: 2 * PAGE,
    direction: ToDevice,
    expected: 'segments of at most 4096 bytes',
    actual: '8192',
    provoke({ device, memory }) {
      dmaSetMaxSegSize(device, PAGE)
      dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes]), ToDevice).unmap()
    },
  },
  {
    class: 8,
    what: 'a segment across the device’s boundary',
    code: 'DMA_DEBUG',
    size: 2 * PAGE,
    at: 0,
    direction: ToDevice,
    expected: /each multiple of 0x1000$/,
    provoke({ device, memory }) {
      dmaSetSegBoundary(device, 0xfffn)
      dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes]), ToDevice).unmap()
    },
  },
  {
    class: 9,
    what: 'memory as another device’s registers',
    code: 'DMA_NOT_REGISTERS',
    size: 2 * PAGE,
    direction: FromDevice,
    actual: 'memory',
    provoke: ({ device, memory }) => dmaMapResource(device, memory as never, 0, 4, FromDevice),
  },
  {
    class: 11,
    what: 'all ones, unmapped',
    code: 'DMA_ADDRESS_RANGE',
    size: 64,
    direction: ToDevice,
    actual: 'all ones',
    provoke: ({ device }) => dmaUnmapSingle(device, 0xffff_ffff_ffff_ffffn, 64, ToDevice),
  },
  {
    class: 12,
    what: 'a second unmap',
    code: 'DMA_NOT_MAPPED',
    size: 64,
    at: 0,
    direction: ToDevice,
    mapped: true,
    unmapped: true,
    provoke({ device, memory }) {
      const mapping = dmaMapSingle(device, memory.bytes.subarray(0, 64), ToDevice)
      mapping.unmap()
      mapping.unmap()
    },
  },
  {
    class: 13,
    what: 'another size',
    code: 'DMA_WRONG_SIZE',
    size: 32,
    at: 0,
    direction: ToDevice,
    expected: '64 bytes',
    actual: '32 bytes',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), ToDevice)
      dmaUnmapSingle(device, dmaAddress, 32, ToDevice)
    },
  },
  {
    class: 14,
    what: 'another family',
    code: 'DMA_WRONG_FAMILY',
    size: 64,
    at: 0,
    direction: Bidirectional,
    expected: 'single',
    actual: 'coherent',
    mapped: true,
    provoke({ device }) {
      dmaUnmapSingle(device, dmaAllocCoherent(device, 64).dmaAddress, 64, Bidirectional)
    },
  },
  {
    class: 15,
    what: 'other bytes',
    code: 'DMA_WRONG_BYTES',
    size: 64,
    at: 0,
    direction: Bidirectional,
    mapped: true,
    provoke({ device }) {
      const [one, other] = [dmaAllocCoherent(device, 64), dmaAllocCoherent(device, 64)]
      dmaFreeCoherent(device, 64, other.bytes, one.dmaAddress)
    },
  },
  {
    class: 16,
    what: 'another count of entries',
    code: 'DMA_WRONG_NENTS',
    size: 64,
    at: 0,
    direction: ToDevice,
    expected: '2 entries',
    actual: '1',
    mapped: true,
    provoke({ device, memory }) {
      const mapped = dmaMapSgtable(device, twoPieces(memory), ToDevice)
      dmaUnmapSg(device, mapped, 1 as never)
    },
  },
  {
    class: 17,
    what: 'another direction',
    code: 'DMA_WRONG_DIRECTION',
    size: 64,
    at: 0,
    direction: ToDevice,
    expected: 'to-device',
    actual: 'from-device',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), ToDevice)
      dmaUnmapSingle(device, dmaAddress, 64, FromDevice)
    },
  },
  {
    class: 18,
    what: 'a sync of nothing',
    code: 'DMA_NOT_MAPPED',
    size: 64,
    at: 0,
    direction: FromDevice,
    actual: 'none',
    provoke: ({ device }) => dmaSyncSingleForCpu(device, dmaAddress(0x1234_5000), 64, FromDevice),
  },
  {
    class: 19,
    what: 'a sync beyond the mapping',
    code: 'DMA_RANGE',
    size: 65,
    at: 0,
    direction: FromDevice,
    expected: 'up to 64 bytes',
    actual: '65 bytes',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), FromDevice)
      dmaSyncSingleForCpu(device, dmaAddress, 65, FromDevice)
    },
  },
  {
    class: 20,
    what: 'a sync in another direction',
    code: 'DMA_WRONG_DIRECTION',
    size: 64,
    at: 0,
    direction: FromDevice,
    expected: 'from-device',
    actual: 'bidirectional',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), FromDevice)
      dmaSyncSingleForCpu(device, dmaAddress, 64, Bidirectional)
    },
  },
  {
    class: 21,
    what: 'a sync for the CPU of what the device only reads',
    code: 'DMA_WRONG_DIRECTION',
    size: 64,
    at: 0,
    direction: ToDevice,
    actual: 'from-device',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), ToDevice)
      dmaSyncSingleForCpu(device, dmaAddress, 64, FromDevice)
    },
  },
  {
    class: 22,
    what: 'a sync for the device of what it only writes',
    code: 'DMA_WRONG_DIRECTION',
    size: 64,
    at: 0,
    direction: FromDevice,
    actual: 'to-device',
    mapped: true,
    provoke({ device, memory }) {
      const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), FromDevice)
      dmaSyncSingleForDevice(device, dmaAddress, 64, ToDevice)
    },
  },
  {
    class: 23,
    what: 'a sync of another count of entries',
    code: 'DMA_WRONG_NENTS',
    size: 64,
    at: 0,
    direction: FromDevice,
    expected: '2 entries',
    actual: '3',
    mapped: true,
    provoke({ device, memory }) {
      const mapped = dmaMapSgtable(device, twoPieces(memory), FromDevice)
      dmaSyncSgForCpu(device, mapped, 3 as never)
    },
  },
  {
    class: 24,
    what: 'a close with mappings left',
    code: 'DMA_DEBUG',
    size: 64,
    at: 0,
    direction: ToDevice,
    expected: 'no mapping',
    mapped: true,
    count: 2,
    provoke({ device, memory }) {
      dmaMapSingle(device, memory.bytes.subarray(0, 64), ToDevice)
      dmaAllocNoncoherent(device, 100, FromDevice)
      device.close()
    },
  },
  {
    class: 25,
    what: 'a write by the CPU to what the device owns',
    code: 'DMA_DEBUG',
    size: 64,
    at: 0,
    direction: ToDevice,
    mapped: true,
    provoke({ device, memory }) {
      const bytes = memory.bytes.subarray(0, 64)
      const mapping = dmaMapSingle(device, bytes, ToDevice)
      bytes[63] = 1
      mapping.unmap()
    },
  },
]

function twoPieces({ bytes }: Bench['memory']): SgTable {
  return SgTable.fromBuffers([bytes.subarray(0, 64), bytes.subarray(PAGE, PAGE + 64)])
}

/** The error that a misuse ends with, where it does. */
function thrownBy(provoke: () => void): DmaReport | undefined {
  try {
    provoke()
  } catch (error) {
    return error as DmaReport
  }
  return undefined
}

function matches(value: string | undefined, wanted: string | RegExp | undefined): void {
  if (wanted !== undefined)
    expect(value).toEqual(typeof wanted === 'string' ? wanted : expect.stringMatching(wanted))
}

describe.each(rows)('class $class: $what', (row) => {
  const site = /^at .*classes\.test\.ts:\d+:\d+/

  it('is reported with all that is known of it', () => {
    const bench = open({ contents: row.class === DmaMisuse.CpuWrote })
    const thrown = thrownBy(() => row.provoke(bench))
    const [report, ...more] = bench.checker.reports
    expect(more).toEqual([])
    expect(report).toMatchObject({ class: row.class, code: row.code, device: '0000:00:04.0' })
    if (thrown) expect(thrown).toBe(report)
    expect([report?.size, report?.direction, report?.count]).toEqual([row.size, row.direction, row.count])
    if (row.at !== undefined) expect(toNumber(report!.address!) % PAGE).toBe(row.at)
    else expect(report?.address).toBeUndefined()
    matches(report?.expected, row.expected)
    matches(report?.actual, row.actual)
    expect(report?.misusedAt).toMatch(site)
    if (row.mapped) expect(report?.mappedAt).toMatch(site)
    else expect(report?.mappedAt).toBeUndefined()
    if (row.unmapped) expect(report?.unmappedAt).toMatch(site)
    expect(report?.hint).not.toBe('')
    expect(report?.message).toContain(`class ${row.class}, ${report?.misuse}`)
    expect(bench.checker.errorCount).toBe(1)
    bench.memory.close()
    bench.device.close()
    bench.machine.assertQuiescent()
  })

  it('is told to the machine, too, where a driver brings a checker of its own', () => {
    const contents = row.class === DmaMisuse.CpuWrote
    const bench = open({ contents }, contents ? { onError: 'collect', contents } : 'collect')
    const thrown = thrownBy(() => row.provoke(bench))
    const [report, ...more] = bench.machine.dmaErrors
    expect(more).toEqual([])
    expect(report).toMatchObject({ class: row.class, code: row.code })
    // One report, which both have, and which is thrown.
    expect(bench.checker.reports).toEqual([report])
    expect(bench.checker.reports[0]).toBe(report)
    if (thrown) expect(thrown).toBe(report)
    bench.memory.close()
    bench.device.close()
    bench.machine.assertQuiescent()
  })

  it('has the same code without a checker, or goes unnoticed', () => {
    const bench = open()
    setDmaChecker(bench.device, undefined)
    const thrown = thrownBy(() => row.provoke(bench))
    expect(thrown?.code).toBe(row.code === 'DMA_DEBUG' ? undefined : row.code)
    expect(thrown?.class).toBeUndefined()
    expect([bench.checker.errorCount, bench.machine.dmaErrors]).toEqual([0, []])
    bench.memory.close()
    bench.device.close()
    bench.machine.assertQuiescent()
  })
})

describe('class 10, a failure that nobody looked at', () => {
  it('cannot be: what failed to map has no address to go on with, and nothing of it is mapped', () => {
    const { machine, device, checker, memory } = open()
    const region = createDmaRegion(device, { byteLength: PAGE })
    machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', code: 'ENOMEM' })
    expect(() => dmaMapSingle(device, memory.bytes, ToDevice)).toThrow(
      expect.objectContaining({ code: 'ENOMEM' }),
    )
    expect(() => region.mapSingle(PAGE, 1, ToDevice)).toThrow(expect.objectContaining({ code: 'DMA_RANGE' }))
    expect([region.liveMappings, checker.dump(), checker.errorCount]).toEqual([0, [], 0])
    region.close()
    memory.close()
    device.close()
    machine.assertQuiescent()
  })
})

it('has a row for each class of what a program does; what a device does is in device-access.test.ts', () => {
  const numbers = rows.map((row) => row.class)
  const ofPrograms = Object.values(DmaMisuse).filter((number) => number <= DmaMisuse.CpuWrote)
  expect([...numbers, DmaMisuse.ErrorUnchecked].sort((a, b) => a - b)).toEqual(ofPrograms)
})
