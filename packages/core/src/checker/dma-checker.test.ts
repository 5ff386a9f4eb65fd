// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaChecker,
  DmaDirection,
  DmaMisuse,
  type DmaReport,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaMapSingle,
  dmaPoolAlloc,
  dmaPoolCreate,
  dmaUnmapSingle,
  setDmaChecker,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const debug = expect.objectContaining({ code: 'DMA_DEBUG' })

type Options = ConstructorParameters<typeof DmaChecker>[0]

function open(options?: Options) {
  const machine = createFakeMachine({ checks: 'off' })
  const checker = options && new DmaChecker(options)
  const openOne = () => {
    const { address } = machine.addDevice(new EduDevice())
    const device = openVfioDevice(address, { kernel: machine.kernel, checked: checker ?? false })
    device.setMaster()
    return device
  }
  const device = openOne()
  const region = createDmaRegion(device, { byteLength: 1 << 16 })
  return { machine, checker: checker!, device, region, openOne }
}

/** Maps what overlaps, each time at another place. */
function overlap({ region }: Pick<ReturnType<typeof open>, 'region'>, at = 0): void {
  const first = region.mapSingle(at, 64, FromDevice)
  try {
    region.unmapSingle(region.mapSingle(at, 64, FromDevice))
  } finally {
    region.unmapSingle(first)
  }
}

describe('what becomes of a misuse', () => {
  it('is an error, with nothing mapped, where the checker throws', () => {
    const bench = open({})
    const { region, checker } = bench
    expect(() => overlap(bench)).toThrow(debug)
    expect(region.liveMappings).toBe(0)
    expect(checker.dump()).toEqual([])
    // What was refused is not counted among what shares a line.
    region.unmapSingle(region.mapSingle(0, 64, FromDevice))
    expect(() => overlap(bench)).toThrow(debug)
    expect([checker.errorCount, checker.reports.length]).toEqual([2, 1])
  })

  it('is a warning, the first time or each', () => {
    for (const [all, warnings] of [
      [false, 1],
      [true, 3],
    ] as const) {
      const bench = open({ onError: 'warn', all })
      for (const at of [0, 64, 128]) overlap(bench, at)
      expect(bench.machine.warnings).toHaveLength(warnings)
      expect(bench.machine.warnings[0]).toBe(bench.checker.reports[0])
      expect([bench.checker.errorCount, bench.checker.reports.length]).toEqual([3, warnings])
    }
  })

  it('is a report and no more where they are collected, up to a thousand', () => {
    const told: DmaReport[] = []
    const bench = open({ onError: 'collect', all: true, onReport: (report) => told.push(report) })
    for (let i = 0; i < 1001; i++) overlap(bench)
    const { machine, checker } = bench
    expect([machine.warnings, checker.errorCount, checker.reports.length, told.length]).toEqual([
      [],
      1001,
      1000,
      1001,
    ])
    checker.clear()
    expect([checker.errorCount, checker.reports]).toEqual([0, []])
  })

  it('is counted, and no more, of a device that the filter leaves out', () => {
    for (const [device, kept] of [
      ['0000:00:04.0', 1],
      [/:04/g, 1],
      ['0000:00:05.0', 0],
      [/^edu/, 0],
    ] as const) {
      const bench = open({ onError: 'collect', device })
      overlap(bench)
      const plain = bench.region.mapSingle(0, 64, ToDevice)
      bench.region.unmapSingle(plain)
      const again = () => bench.region.unmapSingle(plain)
      expect(again).toThrow(expect.objectContaining({ code: 'DMA_NOT_MAPPED' }))
      expect([bench.checker.errorCount, bench.checker.reports.length]).toEqual([2, kept])
    }
  })
})

describe('what is mapped now', () => {
  it('is told with its owner, its place and its age', async () => {
    const { machine, checker, device, region, openOne } = open({})
    const lent = region.mapSingle(128, 64, Bidirectional)
    region.syncForCpu(lent)
    const coherent = dmaAllocCoherent(device, 100)
    await machine.kernel.clock.sleep(5)
    const other = openOne()
    const own = dmaAllocNoncoherent(other, 100, FromDevice)
    own.syncForDevice()
    const mappedAt = expect.stringMatching(/^at .*dma-checker\.test\.ts/)
    const of = (name: string) => ({ device: name, mappedAt })
    const common = { ...of(device.name), direction: Bidirectional }
    expect(checker.dump(device)).toEqual([
      { ...common, family: 'single', address: region.addressOf(lent), size: 64, owner: 'cpu', age: 5 },
      { ...common, family: 'coherent', address: coherent.dmaAddress, size: 100, owner: 'both', age: 5 },
    ])
    expect(checker.dump()).toContainEqual({
      ...of(other.name),
      family: 'noncoherent',
      address: own.dmaAddress,
      size: 100,
      direction: FromDevice,
      owner: 'device',
      age: 0,
    })
    coherent.free()
    own.free()
    region.close()
    expect(checker.dump()).toEqual([])
  })

  it('is not what was closed with its region or memory: that is told of at once, and not by the device', () => {
    const { machine, checker, device, region } = open({ all: true })
    region.mapSingle(0, 64, FromDevice)
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
    dmaMapSingle(device, memory.bytes, ToDevice)
    region.close()
    memory.close()
    expect(checker.dump()).toEqual([])
    const told = checker.reports.map((report) => [report.class, report.size])
    expect(told).toEqual([
      [DmaMisuse.ClosePending, 64],
      [DmaMisuse.ClosePending, 4096],
    ])
    device.close()
    expect(checker.errorCount).toBe(2)
    machine.assertQuiescent()
  })

  it('is what a closed device tells of, the oldest of it: pools, too', async () => {
    const { machine, checker, device, region } = open({})
    const pool = dmaPoolCreate('commands', device, 64)
    dmaPoolAlloc(pool)
    await machine.kernel.clock.sleep(1)
    region.mapSingle(0, 64, FromDevice)
    device.close()
    const [report] = checker.reports
    expect(report).toMatchObject({ class: DmaMisuse.ClosePending, count: 2, size: 0x1_0000 })
    // It is over: to throw would stop nothing, and hide what else went wrong.
    expect(machine.warnings).toContain(report)
    machine.assertQuiescent()
  })
})

describe('a checker', () => {
  it('can be set while mappings are live, and knows them', () => {
    const { device, region, machine } = open()
    const before = region.mapSingle(0, 64, FromDevice)
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
    const single = dmaMapSingle(device, memory.bytes, ToDevice)
    const coherent = dmaAllocCoherent(device, 100)
    const checker = new DmaChecker({ all: true })
    setDmaChecker(device, checker)
    expect(device.checker).toBe(checker)
    expect(checker.dump().map(({ family, size }) => [family, size])).toEqual([
      ['single', 64],
      ['single', 4096],
      ['coherent', 100],
    ])
    expect(checker.dump()[0]?.mappedAt).toBe('before the checker was set')
    expect(() => region.mapSingle(32, 64, FromDevice)).toThrow(debug)
    region.unmapSingle(before)
    region.unmapSingle(region.mapSingle(32, 64, FromDevice))
    dmaUnmapSingle(device, single.dmaAddress, 4096, ToDevice)
    coherent.free()
    expect([checker.errorCount, checker.dump()]).toEqual([1, []])
  })

  it('can be taken away, and another one take its place', () => {
    const bench = open({})
    const { device, region, checker } = bench
    const handle = region.mapSingle(0, 64, FromDevice)
    const second = new DmaChecker()
    setDmaChecker(device, second)
    expect([checker.dump().length, second.dump().length]).toEqual([0, 1])
    setDmaChecker(device, undefined)
    expect([device.checker, second.dump()]).toEqual([undefined, []])
    region.unmapSingle(handle)
    overlap(bench)
    expect([checker.errorCount, second.errorCount]).toEqual([0, 0])
    device.close()
    expect(() => setDmaChecker(device, checker)).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
  })

  it('sees that two devices write to one buffer at the same time', () => {
    const { machine, checker, device, openOne } = open({})
    const other = openOne()
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
    using _first = dmaMapSingle(device, memory.bytes, FromDevice)
    expect(() => dmaMapSingle(other, memory.bytes, Bidirectional)).toThrow(debug)
    // One that only reads it is no harm.
    dmaMapSingle(other, memory.bytes, ToDevice).unmap()
    expect(checker.reports[0]?.actual).toContain(device.name)
    // Nothing is left of the mapping that was refused.
    expect(other.children.size).toBe(0)
  })

  it('takes down some places, or all', () => {
    expect([open({}), open({ callSites: 'all' })].map(({ checker }) => checker.sites.every)).toEqual([
      false,
      true,
    ])
  })

  it('refuses options without sense', () => {
    const invalid = expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' })
    for (const options of [
      { onError: 'log' },
      { all: 1 },
      { contents: 'yes' },
      { callSites: 'none' },
      { cacheLineSize: 48 },
      { device: 4 },
      { onReport: true },
      { onerror: 'warn' },
      null,
    ] as never[]) {
      expect(() => new DmaChecker(options)).toThrow(invalid)
    }
    const { device, machine } = open()
    expect(() => setDmaChecker(device, {} as never)).toThrow(invalid)
    expect(() => setDmaChecker({} as never, undefined)).toThrow(invalid)
    expect(() => openVfioDevice('0000:00:04.0', { kernel: machine.kernel, checked: 'yes' as never })).toThrow(
      invalid,
    )
  })
})

describe('a machine', () => {
  it('has a checker for all of its devices, unless it is told not to look', () => {
    const machine = createFakeMachine({ checks: 'collect' })
    expect([machine.checker, machine.dmaErrors]).toEqual([undefined, []])
    const { address } = machine.addDevice(new EduDevice())
    const device = openVfioDevice(address, { kernel: machine.kernel })
    device.setMaster()
    expect(machine.checker).toBe(device.checker)
    overlap({ region: createDmaRegion(device, { byteLength: 4096 }) })
    expect(machine.dmaErrors).toEqual(device.checker!.reports)
    expect(() => machine.assertNoDmaErrors()).toThrow(
      /DMA_DEBUG: 1 misuse of DMA:\n {2}DMA_DEBUG: a live mapping/,
    )
    machine.clearDmaErrors()
    machine.assertNoDmaErrors()
    device.close()
    const off = createFakeMachine({ checks: 'off' })
    const other = off.addDevice(new EduDevice())
    using without = openVfioDevice(other.address, { kernel: off.kernel })
    expect([without.checker, off.checker]).toEqual([undefined, undefined])
  })
})

describe('bytes that are looked at', () => {
  function mapped(direction: typeof ToDevice | typeof FromDevice | typeof Bidirectional) {
    const bench = open({ contents: true, all: true })
    const handle = bench.region.mapSingle(64, 100, direction)
    return { ...bench, handle, bytes: bench.region.bytes.subarray(64, 164) }
  }

  it('may be written while the CPU has them, and not while the device has', () => {
    const { region, checker, handle, bytes } = mapped(ToDevice)
    region.syncForCpu(handle)
    bytes[0] = 1
    region.syncForDevice(handle)
    expect(checker.errorCount).toBe(0)
    bytes[99] = 1
    expect(() => region.syncForCpu(handle)).toThrow(debug)
    // It is said once.
    region.syncForCpu(handle)
    region.syncForDevice(handle)
    bytes[50] = 7
    expect(() => region.unmapSingle(handle)).toThrow(debug)
    expect([checker.errorCount, region.liveMappings, checker.dump()]).toEqual([2, 0, []])
    expect(checker.reports[0]).toMatchObject({ class: DmaMisuse.CpuWrote, size: 100, direction: ToDevice })
  })

  it('are not those that the device may write', () => {
    for (const direction of [FromDevice, Bidirectional] as const) {
      const { region, checker, handle, bytes } = mapped(direction)
      bytes[0] = 1
      region.unmapSingle(handle)
      expect(checker.errorCount).toBe(0)
    }
  })

  it('are nobody’s to look at once the program has given its buffer away: the mapping ends all the same', () => {
    const machine = createFakeMachine({ coherence: 'bounce', checks: { onError: 'throw', contents: true } })
    const { address } = machine.addDevice(new EduDevice())
    using device = openVfioDevice(address, { kernel: machine.kernel })
    device.setMaster()
    const buffer = new ArrayBuffer(64)
    const mapping = dmaMapSingle(device, new Uint8Array(buffer), ToDevice)
    structuredClone(buffer, { transfer: [buffer] })
    mapping.unmap()
    expect([machine.checker?.dump(), machine.dmaErrors]).toEqual([[], []])
  })

  it('are not lost where an object is unmapped whose bytes were written', () => {
    const { device, region, checker } = open({ contents: true })
    const memory = allocateDmaMemory({ byteLength: 4096, kernel: device.kernel })
    const mapping = dmaMapSingle(device, memory.bytes.subarray(1, 8), ToDevice)
    memory.bytes[7] = 1
    expect(() => mapping.unmap()).toThrow(debug)
    expect([mapping.mapped, checker.dump()]).toEqual([false, []])
    region.close()
    expect(device.children.size).toBe(0)
  })
})
