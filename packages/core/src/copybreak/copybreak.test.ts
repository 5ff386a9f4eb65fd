import { DmaError } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bounceOps } from '../bounce/bounce-ops'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { setDmaOps } from '../device/set-dma-ops'
import { dmaAddress } from '../vocabulary/address'
import { calibrateCopybreak, DEFAULT_COPYBREAK } from './copybreak'
import { type CopybreakWork, copybreakLengths, findCrossover } from './copybreak-crossover'

class TestDevice extends DmaDevice {
  set ready(ready: boolean) {
    this.setReady(ready)
  }
}

/** A machine whose costs are known: milliseconds that pass on its clock. */
interface Model {
  /** Both syncs, and what a byte costs. */
  sync: number
  byte: number
  remap: number
  /** What each reading is off by, as a share: from -1 to 1 for each turn. */
  noise?: (turn: number) => number
}

function machineOf({ sync, byte, remap, noise = () => 0 }: Model) {
  let now = 0
  let turn = 0
  const spend = (milliseconds: number) => {
    now += milliseconds * (1 + noise(turn++))
  }
  const work: CopybreakWork = {
    buffers: 4,
    copy: (byteLength, times) => spend((sync + byte * byteLength) * times),
    remap: (times) => spend(remap * times),
  }
  return { work, clock: { now: () => now } }
}

const lengths = copybreakLengths(65536)
const crossover = (model: Model, limit = 250) => {
  const { work, clock } = machineOf(model)
  return { ...findCrossover(work, clock, lengths, limit)!, spent: clock.now() }
}

describe('the lengths that are tried', () => {
  it('go from 64 bytes to the whole buffer, half an octave apart', () => {
    expect(lengths).toHaveLength(21)
    expect([lengths[0], lengths[1], lengths.at(-1)]).toEqual([64, 91, 65536])
    expect(copybreakLengths(64)).toEqual([64])
    expect(copybreakLengths(1500).slice(-2)).toEqual([1448, 1500])
  })

  it('ascend, whatever the buffer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 1 << 26 }), (byteLength) => {
        const tried = copybreakLengths(byteLength)
        expect(tried.every((length, i) => i === 0 || length > tried[i - 1]!)).toBe(true)
        expect(tried.at(-1)).toBe(byteLength)
      }),
    )
  })
})

describe('the crossover', () => {
  it('is where a copy costs as much as mapping anew', () => {
    const { byteLength, remapNanoseconds, samples } = crossover({ sync: 1e-4, byte: 1e-7, remap: 2.1e-3 })
    expect(byteLength).toBeGreaterThan(19_900)
    expect(byteLength).toBeLessThan(20_100)
    expect(remapNanoseconds).toBeCloseTo(2100)
    expect(samples.map((sample) => sample.byteLength)).toEqual(lengths)
    expect(samples[0]!.copyNanoseconds).toBeCloseTo(106.4)
  })

  it('is 0 where no copy is as cheap, and the whole buffer where every one is', () => {
    expect(crossover({ sync: 2e-5, byte: 1e-7, remap: 7e-6 }).byteLength).toBe(0)
    expect(crossover({ sync: 1e-4, byte: 1e-9, remap: 1 }).byteLength).toBe(65536)
  })

  it('is found to within a hundredth whatever the costs', () => {
    const cost = (least: number, most: number) =>
      fc.double({ min: Math.log10(least), max: Math.log10(most), noNaN: true }).map((power) => 10 ** power)
    fc.assert(
      fc.property(cost(1e-6, 1e-3), cost(1e-8, 1e-6), cost(1e-5, 1e-1), (sync, byte, remap) => {
        const exact = (remap - sync) / byte
        const { byteLength } = crossover({ sync, byte, remap })
        if (exact < 64) expect(byteLength).toBeLessThanOrEqual(64)
        else if (exact >= 65536) expect(byteLength).toBe(65536)
        else expect(Math.abs(byteLength - exact)).toBeLessThan(1 + exact * 0.01)
      }),
    )
  })

  it('holds where every reading is off by up to a fifth, and some by a factor of ten', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (stream) => {
        const shares = stream[Symbol.iterator]()
        const noise = () => {
          const share = shares.next().value as number
          return share > 0.95 ? 9 : share * 0.4 - 0.2
        }
        const { byteLength } = crossover({ sync: 1e-4, byte: 1e-7, remap: 2.1e-3, noise })
        expect(Math.abs(byteLength - 20_000) / 20_000).toBeLessThan(0.25)
      }),
      { numRuns: 25 },
    )
  })

  it('is found in the time that there is, with figures for every length all the same', () => {
    const quick = crossover({ sync: 1e-4, byte: 1e-7, remap: 2.1e-3 }, 250)
    expect(quick.spent).toBeLessThan(255)
    // Each remap takes longer than the time that there is: one round is made.
    const slow = crossover({ sync: 1, byte: 0, remap: 20 }, 10)
    expect(slow.samples).toHaveLength(lengths.length)
    expect(slow.byteLength).toBe(65536)
    expect(slow.spent).toBeLessThan(2 * (lengths.length + 16) * 21 * 2)
  })

  it('is not looked for on a clock that stands still', () => {
    expect(
      findCrossover(machineOf({ sync: 0, byte: 0, remap: 0 }).work, { now: () => 5 }, lengths, 250),
    ).toBe(undefined)
  })
})

describe('calibrateCopybreak', () => {
  /** A device on a fake machine, whose maps take so long and may fail. */
  function opened({ milliseconds = 0, failAt = 0 } = {}) {
    const machine = createFakeMachine()
    let maps = 0
    let mapped = 0
    const ops: DmaOps = {
      name: 'test',
      coherent: true,
      pins: true,
      mapPages: () => {
        machine.clock.advance(milliseconds)
        if (++maps === failAt) throw new DmaError('ENOMEM', 'no more memory may be locked')
        mapped++
        return dmaAddress(maps * 0x10_0000)
      },
      unmapPages: () => {
        mapped--
      },
      supportsMask: () => true,
      requiredMask: () => 0xffff_ffff_ffff_ffffn,
      maxMappingSize: () => Number.MAX_SAFE_INTEGER,
      optMappingSize: () => Number.MAX_SAFE_INTEGER,
    }
    const device = new TestDevice('test', machine.kernel, ops)
    const end = () => {
      device.close()
      expect(mapped).toBe(0)
      machine.assertQuiescent()
    }
    return { machine, device, end }
  }

  it('gives the default where the clock stands still, and 0 in a region', () => {
    const { machine, device, end } = opened()
    const before = machine.kernel.live()
    const found = calibrateCopybreak(device)
    expect(found).toMatchObject({ byteLength: DEFAULT_COPYBREAK, remapNanoseconds: 0, measured: false })
    expect(found.samples.map(({ byteLength }) => byteLength)).toEqual(lengths)
    expect(calibrateCopybreak(device, { bufferByteLength: 2048 }).byteLength).toBe(2048)
    expect(calibrateCopybreak(device, { registered: true }).byteLength).toBe(0)
    expect(machine.kernel.live()).toEqual(before)
    end()
  })

  it('copies all of a buffer that costs time to map and none to copy', () => {
    const { device, end } = opened({ milliseconds: 0.005 })
    const found = calibrateCopybreak(device, { bufferByteLength: 256, timeLimitMilliseconds: 2 })
    expect(found).toMatchObject({ byteLength: 256, measured: true })
    expect(found.remapNanoseconds).toBeCloseTo(5000)
    end()
  })

  it('refuses what it cannot measure, before anything happens', () => {
    const { machine, device, end } = opened()
    const before = machine.kernel.live()
    const wrong = [
      { bufferByteLength: 63 },
      { bufferByteLength: 2 ** 26 + 1 },
      { bufferByteLength: 100.5 },
      { bufferByteLength: Number.NaN },
      { bufferByteLength: 4096n as unknown as number },
      { timeLimitMilliseconds: 0 },
      { timeLimitMilliseconds: Number.POSITIVE_INFINITY },
      { registered: 1 as unknown as boolean },
      { bufferLength: 64 } as object,
      null as unknown as object,
    ]
    for (const options of wrong) {
      expect(() => calibrateCopybreak(device, options)).toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }
    device.ready = false
    expect(() => calibrateCopybreak(device)).toThrow(expect.objectContaining({ code: 'DMA_NOT_READY' }))
    expect(machine.kernel.live()).toEqual(before)
    device.close()
    expect(() => calibrateCopybreak(device)).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
    end()
  })

  it('weighs copies against copies where a region bounces', () => {
    const { machine, device, end } = opened()
    // Nothing is in reach: every map copies the whole buffer, and every sync what it is asked for.
    setDmaOps(device, bounceOps(device.ops, { byteLength: 1 << 22, force: true }))
    const { clock } = machine
    const { bouncer } = device.ops
    const { map, syncForCpu } = bouncer!
    const perByte = 1e-6
    Object.assign(bouncer!, {
      map(...request: Parameters<typeof map>) {
        clock.advance(request[1].byteLength * perByte)
        return map.apply(bouncer, request)
      },
      syncForCpu(...request: Parameters<typeof syncForCpu>) {
        clock.advance(request[2] * perByte)
        return syncForCpu.apply(bouncer, request)
      },
    })
    const options = { registered: true, bufferByteLength: 4096, timeLimitMilliseconds: 5 }
    expect(calibrateCopybreak(device, options)).toMatchObject({ byteLength: 4096, measured: true })
    end()
  })

  // While the buffers are mapped first, and while they are mapped anew.
  it.each([1, 3, 16, 17, 20])('leaves nothing behind where map %i fails', (failAt) => {
    const { machine, device, end } = opened({ failAt })
    const before = machine.kernel.live()
    expect(() => calibrateCopybreak(device)).toThrow(expect.objectContaining({ code: 'ENOMEM' }))
    expect(machine.kernel.live()).toEqual(before)
    expect(device.children.size).toBe(0)
    end()
  })
})
