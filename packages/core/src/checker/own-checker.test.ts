// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  createDmaRegion,
  DmaChecker,
  DmaDirection,
  DmaMisuse,
  type DmaReport,
  dmaMapSingle,
  setDmaChecker,
  toNumber,
} from '@linux-dma/core'
import {
  createFakeMachine,
  DeviceModel,
  type FakeMachine,
  type FakeMachineOptions,
  withFakeMachine,
} from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { ToDevice, FromDevice } = DmaDirection
const debug = expect.objectContaining({ code: 'DMA_DEBUG' })

/** Writes to memory where a test tells it. */
class HandDevice extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0002 }

  override read(): number {
    return 0
  }

  override write(): void {}

  put(address: object, byteLength: number): void {
    this.dma.write(toNumber(address as never), new Uint8Array(byteLength).fill(0x55))
  }
}

function openOn(machine: FakeMachine, checked?: boolean | DmaChecker) {
  const hand = machine.addDevice(new HandDevice())
  const device = openVfioDevice(hand.address, {
    kernel: machine.kernel,
    ...(checked === undefined ? {} : { checked }),
  })
  device.setMaster()
  return { hand, device, region: createDmaRegion(device, { byteLength: 4096 }) }
}

function open(checks: NonNullable<FakeMachineOptions['checks']>, checked?: boolean | DmaChecker) {
  const machine = createFakeMachine({ checks })
  return { machine, ...openOn(machine, checked) }
}

type Bench = ReturnType<typeof openOn>

/** Maps what overlaps; @returns what was thrown. */
function overlap({ region }: Pick<Bench, 'region'>): unknown {
  const first = region.mapSingle(0, 64, FromDevice)
  try {
    region.unmapSingle(region.mapSingle(0, 64, FromDevice))
    return undefined
  } catch (error) {
    return error
  } finally {
    region.unmapSingle(first)
  }
}

function classes(reports: readonly Error[]): number[] {
  return reports.map((report) => (report as DmaReport).class)
}

const brought = [
  ['nothing', () => undefined],
  ['checked: false', () => false],
  ['checked: true', () => true],
  ['a checker that collects', () => new DmaChecker({ onError: 'collect', all: true })],
] as const

describe.each(brought)('a test of a driver that brings %s', (_, bring) => {
  it('fails with what a device does late', async () => {
    const test = withFakeMachine({}, (machine) => {
      const { hand, device, region } = openOn(machine, bring())
      const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
      const address = mapping.dmaAddress
      mapping.unmap()
      hand.put(address, 64)
      expect(classes(machine.dmaErrors)).toEqual([DmaMisuse.DeviceLate])
      device.close()
    })
    await expect(test).rejects.toThrow(/class 26/)
  })

  it('fails with an overlap that the driver passes over, and with what is left', async () => {
    const test = withFakeMachine({}, (machine) => {
      const bench = openOn(machine, bring())
      // The machine throws whatever the driver's own checker does.
      expect(overlap(bench)).toEqual(debug)
      dmaMapSingle(bench.device, bench.region.bytes.subarray(0, 64), ToDevice)
      bench.device.close()
      expect(classes(machine.dmaErrors)).toEqual([DmaMisuse.MapOverlap, DmaMisuse.ClosePending])
    })
    await expect(test).rejects.toThrow(/2 misuses of DMA/)
  })
})

describe('a checker of a driver’s own, on a machine that looks, too', () => {
  it('throws where it throws, though the machine collects', () => {
    const bench = open('collect', true)
    const thrown = overlap(bench)
    expect(thrown).toEqual(debug)
    expect(bench.device.checker?.reports).toEqual([thrown])
    expect(bench.machine.dmaErrors).toEqual([thrown])
    expect(bench.machine.checker?.reports).toEqual([thrown])
    expect(bench.machine.checker).not.toBe(bench.device.checker)
  })

  it('is one error where both throw, and one warning where both warn', () => {
    const throwing = open('throw', true)
    const thrown = overlap(throwing)
    expect([throwing.machine.dmaErrors[0], throwing.device.checker?.reports[0]]).toEqual([thrown, thrown])
    const own = new DmaChecker({ onError: 'warn' })
    const warning = open('warn', own)
    expect(overlap(warning)).toBeUndefined()
    expect(warning.machine.warnings).toEqual(own.reports)
    expect(own.reports).toHaveLength(1)
  })

  it('has what devices do, and what its device was closed with', () => {
    const own = new DmaChecker({ onError: 'collect', all: true })
    const { hand, device, region } = open('collect', own)
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    const address = mapping.dmaAddress
    mapping.unmap()
    hand.put(address, 64)
    dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    device.close()
    expect(classes(own.reports)).toEqual([DmaMisuse.DeviceLate, DmaMisuse.ClosePending])
    expect(own.dump()).toEqual([])
  })

  it('keeps what its own options say, and the machine what those of the machine say', () => {
    const own = new DmaChecker({ onError: 'collect', device: 'another' })
    const { machine, ...bench } = open('collect', own)
    overlap(bench)
    expect([own.errorCount, own.reports.length, machine.dmaErrors.length]).toEqual([1, 0, 1])
    const other = new DmaChecker({ onError: 'collect' })
    setDmaChecker(bench.device, other)
    overlap(bench)
    overlap(bench)
    expect([other.errorCount, other.reports.length, machine.dmaErrors.length]).toEqual([2, 1, 3])
  })

  it('looks at bytes, where it wants that and the machine does not, also of what was mapped before', () => {
    const { machine, device, region } = open('collect')
    const before = region.mapSingle(0, 64, ToDevice)
    const mapped = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
    region.bytes[0] = 1
    const own = new DmaChecker({ onError: 'collect', all: true, contents: true, callSites: 'all' })
    setDmaChecker(device, own)
    expect(own.dump()).toHaveLength(2)
    region.unmapSingle(before)
    const after = region.mapSingle(0, 64, ToDevice)
    region.bytes[1] = 1
    region.unmapSingle(after)
    mapped.unmap()
    expect(classes(own.reports)).toEqual([DmaMisuse.CpuWrote])
    // The machine was not asked to.
    expect([machine.dmaErrors, machine.checker?.errorCount]).toEqual([[], 0])
  })

  it('takes nothing from the machine where it is set, exchanged or taken away', () => {
    const { machine, hand, device, region } = open('collect')
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    const live = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
    const address = mapping.dmaAddress
    mapping.unmap()
    const [first, second] = [0, 1].map(() => new DmaChecker({ onError: 'collect', all: true }))
    setDmaChecker(device, first)
    expect([device.checker, first?.dump().length]).toEqual([first, 1])
    setDmaChecker(device, second)
    expect([device.checker, first?.dump().length, second?.dump().length]).toEqual([second, 0, 1])
    setDmaChecker(device, undefined)
    expect([device.checker, second?.dump().length]).toEqual([machine.checker, 0])
    // The places are those of the map and unmap, not of the exchange.
    hand.put(address, 64)
    const [report] = machine.dmaErrors as readonly DmaReport[]
    expect([report?.class, report?.mappedAt]).toEqual([26, expect.stringContaining('own-checker.test')])
    expect([first?.errorCount, second?.errorCount]).toEqual([0, 0])
    // The machine's own is one only, also where it is passed.
    setDmaChecker(device, machine.checker as DmaChecker)
    expect(machine.checker?.dump()).toHaveLength(1)
    setDmaChecker(device, undefined)
    expect(machine.checker?.dump()).toHaveLength(1)
    live.unmap()
  })
})
