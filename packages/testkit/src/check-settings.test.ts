// By the package's own name, as vfio does: its devices are then of the same class.
import {
  createDmaRegion,
  DmaDirection,
  dmaMapSingle,
  dmaUnmapSingle,
  type TransferDirection,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from './fixtures/plain-device'
import { createFakeMachine } from './machine'
import type { FakeMachineOptions } from './machine-options'

function opened(checks?: FakeMachineOptions['checks']) {
  const machine = createFakeMachine(checks === undefined ? {} : { checks })
  const { address } = machine.addDevice(new PlainDevice())
  const device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  const { bytes } = createDmaRegion(device, { byteLength: 4096 })
  const map = (direction: TransferDirection = DmaDirection.FromDevice) =>
    dmaMapSingle(device, bytes.subarray(0, 64), direction)
  return { machine, device, bytes, map }
}

describe('the option `checks` as an object', () => {
  it('throws what goes unnoticed, as without one, and collects it where that is asked for', () => {
    for (const checks of [undefined, {}]) {
      const { map } = opened(checks)
      map()
      expect(map).toThrow('DMA_DEBUG')
    }
    const { machine, map } = opened({ onError: 'collect' })
    map()
    map()
    expect(machine.dmaErrors).toHaveLength(1)
  })

  it('looks at the bytes where it is told to', () => {
    for (const contents of [false, true]) {
      const { machine, device, bytes, map } = opened({ onError: 'collect', contents })
      const mapping = map(DmaDirection.ToDevice)
      bytes[0] = 1
      dmaUnmapSingle(device, mapping)
      expect(machine.dmaErrors.map(({ message }) => message.includes('class 25'))).toEqual(
        contents ? [true] : [],
      )
    }
  })

  it('leaves devices out', () => {
    for (const [device, count] of [
      ['eth0', 0],
      [/^0000:/, 1],
    ] as const) {
      const { machine, map } = opened({ onError: 'collect', device })
      map()
      map()
      expect(machine.dmaErrors).toHaveLength(count)
    }
  })

  it('is refused where it has no sense', () => {
    for (const checks of [
      'yes',
      true,
      null,
      { onError: 'off' },
      { contents: 1 },
      { callSites: 'none' },
      { device: 4 },
      { all: true },
      { onerror: 'warn' },
    ] as never[]) {
      expect(() => createFakeMachine({ checks })).toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }
  })
})

describe('reports after thousands of transfers', () => {
  it('name the very places of the map, of the unmap and of the mistake, as does the trace', () => {
    const { machine, device, map } = opened({ onError: 'collect' })
    const mapFirst = () => map()
    const mapAgain = () => map()
    for (let count = 0; count < 2100; count++) dmaUnmapSingle(device, map())
    const first = mapFirst()
    mapAgain()
    const overlap = machine.dmaErrors[0] as Error & { mappedAt: string; misusedAt: string }
    expect(overlap.message).toContain('class 5')
    expect(overlap.mappedAt).toContain('at mapFirst ')
    expect(overlap.misusedAt).toContain('at mapAgain ')
    const maps = machine.trace.events.flatMap((event) => (event.kind === 'map' ? [event.at] : []))
    expect(maps.slice(-2)).toEqual([
      expect.stringContaining('at mapFirst '),
      expect.stringContaining('at mapAgain '),
    ])
    const unmapOnce = () => dmaUnmapSingle(device, first)
    unmapOnce()
    expect(() => dmaUnmapSingle(device, first)).toThrow(/class 12.*at mapFirst .*unmapped at unmapOnce /s)
  })

  it('do so of all transfers, or of the first of them', () => {
    const every = ['all' as const, 'sampled' as const].map((callSites) => {
      const { device } = opened({ callSites })
      return device.checker?.sites.every
    })
    expect(every).toEqual([true, false])
  })
})
