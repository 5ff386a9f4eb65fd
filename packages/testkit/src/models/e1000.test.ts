import { describe, expect, it } from 'vitest'
import { enableBoth, frame, openE1000 as opened } from '../fixtures/e1000-by-hand'
import { outcome } from '../fixtures/outcome'
import { E1000Device } from './e1000'
import { cause, register } from './e1000-registers'

const loopback = 0x4140

// The values of registers are those that QEMU 7.2's card was read to have.
describe('registers', () => {
  it('begin as QEMU’s do', () => {
    const { window } = opened()
    expect(window.read32(register.control)).toBe(0x14_0240)
    expect(window.read32(register.status)).toBe(0x8008_0783)
    expect(window.read32(register.packetBuffer)).toBe(0x10_0030)
    expect(window.read32(register.receiveAddress)).toBe(0x1200_5452)
    expect(window.read32(register.receiveAddress + 4)).toBe(0x8000_5634)
    expect(window.read32(0x9000)).toBe(0)
  })

  it('keep the bits that they have', () => {
    const { window } = opened()
    const kept = [
      [register.receiveLength, 0xf_ff80],
      [register.transmitTail, 0xffff],
      [register.receiveTail, 0xffff],
      [register.interruptMaskSet, 0xffff_ffff],
      [register.missedPackets, 0],
      [register.status, 0x8008_0783],
    ] as const
    for (const [byteOffset, value] of kept) {
      window.write32(byteOffset, 0xffff_ffff)
      expect(window.read32(byteOffset), byteOffset.toString(16)).toBe(value)
    }
    window.write32(register.interruptMaskClear, 0xffff_ffff)
    expect([window.read32(register.interruptMaskSet), window.read32(register.interruptMaskClear)]).toEqual([
      0, 0,
    ])
  })

  it('reset nothing by the reset bit, which does not stay', () => {
    const { window } = opened()
    window.write32(register.receiveHead, 3)
    window.write32(register.control, (window.read32(register.control) | 0x0400_0000) >>> 0)
    expect(window.read32(register.control)).toBe(0x14_0240)
    expect(window.read32(register.receiveHead)).toBe(3)
  })

  it('hold the card’s address in an EEPROM whose words add up', () => {
    const { window } = opened({ macAddress: [2, 0, 0, 0xaa, 0xbb, 0xff] })
    let sum = 0
    const words = Array.from({ length: 64 }, (_, word) => {
      window.write32(register.eepromRead, (word << 8) | 1)
      const value = window.read32(register.eepromRead)
      expect(value & 0xffff).toBe((word << 8) | 0x10)
      sum = (sum + (value >>> 16)) & 0xffff
      return value >>> 16
    })
    expect(sum).toBe(0xbaba)
    expect(words.slice(0, 3)).toEqual([0x0002, 0xaa00, 0xffbb])
    expect(window.read32(register.receiveAddress + 4)).toBe(0x8000_ffbb)
    window.write32(register.eepromRead, (64 << 8) | 1)
    expect(window.read32(register.eepromRead)).toBe((64 << 8) | 0x10)
  })
})

describe('the PHY', () => {
  it('answers for the registers that it has', () => {
    const { window, phy } = opened()
    const values = { 0: 0x1140, 1: 0x794d, 2: 0x0141, 3: 0x0c20, 4: 0x0de1, 5: 0x01e0, 9: 0x0e00, 10: 0x3c00 }
    for (const [index, value] of Object.entries(values)) {
      expect(phy(Number(index))).toBe((0x1820_0000 | (Number(index) << 16) | value) >>> 0)
    }
    expect(phy(8)).toBe(0x5828_0000)
    expect(phy(1, 0xffff)).toBe(0x5421_ffff)
    expect(phy(1) & 0xffff).toBe(0x794d)
    window.write32(register.phyAccess, 0x0840_0000)
    expect(window.read32(register.phyAccess) & 0x4000_0000).not.toBe(0)
  })

  it('negotiates for half a second, with the link down', () => {
    const { machine, window, phy } = opened()
    expect(phy(0, 0xffff)).toBe(0x1420_ffff)
    expect(phy(0) & 0xffff).toBe(0x7dc0)
    expect(window.read32(register.status)).toBe(0x8008_0781)
    machine.clock.advance(500)
    expect(window.read32(register.status)).toBe(0x8008_0783)
    expect(window.read32(register.interruptCause)).toBe(cause.linkChange)
    expect([phy(1) & 0xffff, phy(5) & 0xffff]).toEqual([0x796d, 0x41e0])
  })

  it('interrupts at the end of an access where that is asked for', () => {
    const { window } = opened()
    window.write32(register.phyAccess, 0x2820_0000)
    expect(window.read32(register.interruptCause)).toBe(cause.phyAccess)
  })
})

describe('interrupts', () => {
  it('are causes under a mask; reading the causes ends them', () => {
    const { kernel, window, setIrqs, device } = opened()
    const eventfd = kernel.eventfd()
    const fired = () => outcome(() => kernel.read(eventfd, new Uint8Array(8))) === 'OK(8)'
    setIrqs(device, 0x24, 0, 0, 1, eventfd)
    window.write32(register.interruptCauseSet, cause.linkChange)
    expect([window.read32(register.interruptCauseSet), fired()]).toEqual([cause.linkChange, false])
    window.write32(register.interruptMaskSet, cause.linkChange)
    expect(fired()).toBe(true)
    expect([window.read32(register.interruptCause), window.read32(register.interruptCause)]).toEqual([4, 0])
    setIrqs(device, 0x11, 0, 0, 1)
    expect(fired()).toBe(false)
  })

  it('come no closer than 128 µs, or what the throttle says', () => {
    const { machine, kernel, window, setIrqs, device } = opened()
    const eventfd = kernel.eventfd()
    const fired = () => outcome(() => kernel.read(eventfd, new Uint8Array(8))) === 'OK(8)'
    setIrqs(device, 0x24, 0, 0, 1, eventfd)
    window.write32(register.interruptMaskSet, cause.linkChange)
    const raise = () => {
      window.read32(register.interruptCause)
      setIrqs(device, 0x11, 0, 0, 1)
      window.write32(register.interruptCauseSet, cause.linkChange)
      return fired()
    }
    expect([raise(), raise()]).toEqual([true, false])
    machine.clock.advance(0.13)
    expect(fired()).toBe(true)
    machine.clock.advance(1)
    window.write32(register.interruptThrottle, 4000)
    expect([raise(), raise()]).toEqual([true, false])
    machine.clock.advance(1)
    expect(fired()).toBe(false)
    machine.clock.advance(0.03)
    expect(fired()).toBe(true)
  })
})

describe('transmitting', () => {
  it('sends on the wire what lies between head and tail, and says so', () => {
    const sent: number[][] = []
    const { window, send, statusOfSent } = opened({ onTransmit: (bytes) => sent.push([...bytes]) })
    send(frame(60), frame(1000))
    expect(sent).toEqual([frame(60), frame(1000)])
    expect([statusOfSent(0), statusOfSent(1), statusOfSent(2)]).toEqual([1, 1, 0])
    expect(window.read32(register.transmitHead)).toBe(2)
    expect(window.read32(register.interruptCause)).toBe(cause.transmitQueueEmpty | cause.transmitWrittenBack)
    expect(window.read32(register.packetsTransmitted)).toBe(2)
  })

  it('sends nothing while it is off', () => {
    const { window, send, statusOfSent } = opened()
    window.write32(register.transmitControl, 0)
    send()
    window.write32(register.transmitControl, 0)
    window.write32(register.transmitTail, 1)
    expect([statusOfSent(0), window.read32(register.transmitHead)]).toEqual([0, 0])
  })

  it('hears itself in loopback, and nobody is told of what finds no place', () => {
    const sent: number[][] = []
    const { window, listen, phy, send, descriptor } = opened({ onTransmit: (bytes) => sent.push([...bytes]) })
    phy(0, loopback)
    listen(enableBoth, { tail: 1 })
    send(frame(60), frame(61))
    expect([descriptor(0).byteLength, descriptor(1).byteLength]).toEqual([60, 0])
    expect([window.read32(register.packetsTransmitted), window.read32(register.packetsReceived)]).toEqual([
      2, 1,
    ])
    expect([sent.length, window.read32(register.missedPackets)]).toEqual([0, 0])
  })

  it('ends at a tail that is not in the ring, and logs it', () => {
    const { machine, window, send } = opened()
    send(frame(60))
    window.write32(register.transmitTail, 500)
    expect(machine.log[0]!.message).toContain('not in the ring of 8')
  })
})

it('refuses options that are none', () => {
  expect(outcome(() => new E1000Device({ macAddress: [1, 2, 3] }))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => new E1000Device({ macAddress: [1, 2, 3, 4, 5, 256] }))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => new E1000Device({ mac: [] } as never))).toBe('DMA_INVALID_ARGUMENT')
})
