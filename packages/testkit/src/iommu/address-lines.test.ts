import { createDmaRegion, dmaAllocCoherent, dmaBitMask, dmaSetCoherentMask, toNumber } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { defineDevice } from '../define/define-device'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'
import { throughAddressLines } from './address-lines'

/** Which pieces an access becomes, and what was told of it. */
function pieces(lines: number, address: number | bigint, byteLength: number) {
  const moved: [number, number][] = []
  const cut: number[] = []
  throughAddressLines(
    lines,
    address,
    new Uint8Array(byteLength),
    (at, bytes) => moved.push([at, bytes.byteLength]) > 0,
    (at) => cut.push(at),
  )
  return { moved, cut }
}

class Narrow extends PlainDevice {
  override readonly dmaMaskBits: number = 24
}

describe('a device with fewer address lines', () => {
  it('drops the bits above them, and goes on at 0 after the last address', () => {
    expect(pieces(24, 0x1234, 16)).toEqual({ moved: [[0x1234, 16]], cut: [] })
    expect(pieces(24, 0xff00_1000, 16)).toEqual({ moved: [[0x1000, 16]], cut: [0x1000] })
    expect(pieces(24, 0xffff_fff8, 16)).toEqual({
      moved: [
        [0xff_fff8, 8],
        [0, 8],
      ],
      cut: [0xff_fff8],
    })
    expect(pieces(24, 0xff_fff0, 16)).toEqual({ moved: [[0xff_fff0, 16]], cut: [] })
    expect(pieces(2, 3, 6).moved).toEqual([
      [3, 1],
      [0, 4],
      [0, 1],
    ])
    expect(pieces(64, 2n ** 64n - 1n, 2).cut).toHaveLength(1)
    expect(pieces(64, 0x1000, 2)).toEqual({ moved: [[0x1000, 2]], cut: [] })
    expect(pieces(24, 0xff00_0000, 0)).toEqual({ moved: [], cut: [0] })
  })

  it('corrupts a neighbour when its driver forgets the mask, and the machine says so', () => {
    const machine = createFakeMachine()
    const model = machine.addDevice(new Narrow())
    const device = openVfioDevice(model.address, { kernel: machine.kernel })
    device.setMaster()
    dmaSetCoherentMask(device, dmaBitMask(24))
    // Forgotten: dmaSetMask(device, dmaBitMask(24)). Streaming mappings may thus lie anywhere below 4 GiB.
    const ring = dmaAllocCoherent(device, 4096)
    const packet = createDmaRegion(device, { byteLength: 4096 })
    const address = toNumber(packet.dmaAddress)
    expect(address).toBeGreaterThan(2 ** 24)
    const hit = address % 2 ** 24
    expect(hit).toBe(toNumber(ring.dmaAddress))

    expect(model.writeMemory(address + 16, [1, 2, 3])).toBe(true)
    expect([...packet.bytes.subarray(16, 19)]).toEqual([0, 0, 0])
    expect([...ring.bytes.subarray(16, 19)]).toEqual([1, 2, 3])
    expect(machine.log).toMatchObject([
      {
        device: model.address,
        message:
          `Narrow: DMA write of 3 bytes at 0x${(address + 16).toString(16)} is out of reach: the device drives 24 address ` +
          `bits, so it goes to 0x${(hit + 16).toString(16)}: call dmaSetMask(device, dmaBitMask(24))`,
      },
    ])
    expect(machine.faults).toEqual([])
    device.close()
    machine.assertQuiescent()
  })

  it('faults where nothing is at the address that is left', () => {
    const machine = createFakeMachine()
    const model = machine.addDevice(new Narrow())
    const device = openVfioDevice(model.address, { kernel: machine.kernel })
    device.setMaster()
    const { dmaAddress } = dmaAllocCoherent(device, 4096)
    expect(model.readMemory(toNumber(dmaAddress), 2)).toEqual({ complete: false, bytes: [0, 0] })
    expect(machine.faults).toMatchObject([
      { address: toNumber(dmaAddress) % 2 ** 24, byteLength: 2, direction: 'read', device: model.address },
    ])
    device.close()
    machine.assertQuiescent()
  })

  it('is described, or refused', () => {
    const identity = { vendor: 1, device: 2 }
    const device = (dmaMaskBits: number) => {
      const define = defineDevice(
        { name: 'narrow', identity, bars: [{ byteLength: 4096 }], dmaMaskBits },
        () => ({}),
      )
      return createFakeMachine().addDevice(define())
    }
    expect(device(30).dmaMaskBits).toBe(30)
    for (const bits of [0, 65, 1.5]) expect(outcome(() => device(bits))).toBe('DMA_INVALID_ARGUMENT')
  })
})
