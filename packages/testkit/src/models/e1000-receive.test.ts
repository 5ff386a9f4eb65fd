import { describe, expect, it } from 'vitest'
import { enableBoth, frame, openE1000 as opened, station } from '../fixtures/e1000-by-hand'
import { cause, receiveControl, register } from './e1000-registers'

describe('receiving', () => {
  it('writes frames back, the last descriptor’s done bit with the end of the frame', () => {
    const { card, window, listen, descriptor, received } = opened()
    listen()
    expect(card.receive(Uint8Array.from(frame(100)))).toBe(true)
    expect(descriptor(0)).toEqual({ byteLength: 100, status: 7 })
    expect(received(0, 100)).toEqual(frame(100))
    expect(window.read32(register.receiveHead)).toBe(1)
    expect(window.read32(register.interruptCause)).toBe(cause.received)
    expect([window.read32(register.packetsReceived), window.read32(register.packetsReceived)]).toEqual([1, 0])
  })

  it('pads short frames, and counts the checksum where it is not stripped', () => {
    const { card, listen, descriptor, received } = opened()
    listen(receiveControl.enable)
    card.receive(Uint8Array.from(frame(20)))
    expect(descriptor(0)).toEqual({ byteLength: 64, status: 7 })
    expect(received(0, 60)).toEqual([...frame(20), ...new Array(40).fill(0)])
  })

  it('fills several buffers with a frame that is longer than one', () => {
    const { card, listen, descriptor, received } = opened()
    listen(enableBoth | receiveControl.longPackets)
    const long = frame(5000)
    card.receive(Uint8Array.from(long))
    expect([0, 1, 2, 3].map(descriptor)).toEqual([
      { byteLength: 2048, status: 1 },
      { byteLength: 2048, status: 1 },
      { byteLength: 904, status: 7 },
      { byteLength: 0, status: 0 },
    ])
    expect([...received(0, 2048), ...received(1, 2048), ...received(2, 904)]).toEqual(long)
  })

  it.each([
    [0, 2048],
    [0x1_0000, 1024],
    [0x2_0000, 512],
    [0x3_0000, 256],
    [0x203_0000, 4096],
    [0x202_0000, 8192],
    [0x201_0000, 16384],
  ])('has buffers as RCTL 0x%s says: %i bytes', (size, byteLength) => {
    const { card, listen, descriptor } = opened()
    listen(enableBoth | receiveControl.longPackets | size)
    card.receive(Uint8Array.from(frame(6 * 256 - 1)))
    expect(descriptor(0).byteLength).toBe(Math.min(byteLength, 6 * 256 - 1))
  })

  it('takes nothing while it is off, settling, without a link or without buffers', () => {
    const { card, machine, window, listen, phy } = opened()
    const receive = () => card.receive(Uint8Array.from(frame(60)))
    expect(receive()).toBe(false)
    listen(enableBoth, { tail: 1 })
    window.write32(register.receiveControl, enableBoth)
    expect(receive()).toBe(false)
    machine.clock.advance(999)
    window.write32(register.receiveControl, enableBoth)
    machine.clock.advance(500)
    expect(receive()).toBe(false)
    machine.clock.advance(500)
    expect([receive(), receive()]).toEqual([true, false])
    window.write32(register.receiveTail, 4)
    phy(0, 0x1200)
    expect(receive()).toBe(false)
    expect(window.read32(register.missedPackets)).toBe(0)
  })

  it('lets in what is addressed to it, and what it is told to let in', () => {
    const { card, window, listen, descriptor } = opened()
    const other = [2, 0, 0, 0, 0, 1]
    const multicast = [1, 0, 0x5e, 0, 0x12, 0x34]
    const everybody = [255, 255, 255, 255, 255, 255]
    /** How many of the four kinds get in. */
    const admitted = (control: number) => {
      listen(enableBoth | control)
      return [station, other, multicast, everybody].map((destination) => {
        const head = window.read32(register.receiveHead)
        expect(card.receive(Uint8Array.from(frame(60, destination)))).toBe(true)
        return window.read32(register.receiveHead) !== head
      })
    }
    expect(admitted(0)).toEqual([true, false, false, false])
    expect(admitted(receiveControl.allUnicast)).toEqual([true, true, false, false])
    expect(admitted(receiveControl.allMulticast)).toEqual([true, false, true, false])
    expect(admitted(receiveControl.broadcast)).toEqual([true, false, false, true])
    // Bits 47 to 36 of the address choose a bit of the table.
    const bit = ((0x34 << 8) | 0x12) >> 4
    window.write32(register.multicastTable + (bit >> 5) * 4, (1 << (bit & 31)) >>> 0)
    expect(admitted(0)).toEqual([true, false, true, false])
    window.write32(register.receiveAddress + 8, 2)
    window.write32(register.receiveAddress + 12, 0x8000_0100)
    expect(admitted(0)).toEqual([true, true, true, false])
    expect(descriptor(0).status).toBe(7)
  })

  it('counts what is too long and drops it', () => {
    const { card, window, listen } = opened()
    listen()
    expect([1518, 1519].map((length) => card.receive(Uint8Array.from(frame(length))))).toEqual([true, true])
    expect([window.read32(register.receiveHead), window.read32(register.oversized)]).toEqual([1, 1])
    listen(enableBoth | receiveControl.longPackets | 0x201_0000)
    card.receive(Uint8Array.from(frame(16381)))
    expect([window.read32(register.receiveHead), window.read32(register.oversized)]).toEqual([0, 1])
  })

  it('misses a frame for which there are too few buffers, and says when they become few', () => {
    const { card, window, listen } = opened()
    listen(enableBoth | receiveControl.longPackets, { tail: 2 })
    card.receive(Uint8Array.from(frame(5000)))
    expect(window.read32(register.receiveHead)).toBe(0)
    expect([register.missedPackets, register.noBuffers].map((at) => window.read32(at))).toEqual([1, 1])
    expect(window.read32(register.interruptCause)).toBe(cause.receiveOverrun)
    listen(enableBoth, { tail: 5 })
    card.receive(Uint8Array.from(frame(60)))
    expect(window.read32(register.interruptCause)).toBe(cause.received | cause.receiveThreshold)
  })

  it('passes over descriptors without a buffer, and gives up when it is round', () => {
    const { card, window, listen, descriptor } = opened()
    listen(enableBoth, { without: 0 })
    card.receive(Uint8Array.from(frame(60)))
    expect([descriptor(0).status, descriptor(1).status]).toEqual([1, 7])
    expect(window.read32(register.receiveHead)).toBe(2)
    // A ring that is nowhere: the IOMMU refuses it, and zeros are descriptors without a buffer.
    window.write32(register.receiveBaseLow, 0x900_0000)
    card.receive(Uint8Array.from(frame(60)))
    expect(window.read32(register.missedPackets)).toBe(1)
  })

  it('moves nothing with bus mastering off', () => {
    const { card, kernel, device, window, listen } = opened()
    listen()
    kernel.write(device, new Uint8Array([0x02]), 7 * 2 ** 40 + 4)
    card.receive(Uint8Array.from(frame(60)))
    expect([window.read32(register.receiveHead), window.read32(register.missedPackets)]).toEqual([0, 0])
    kernel.write(device, new Uint8Array([0x06]), 7 * 2 ** 40 + 4)
    card.receive(Uint8Array.from(frame(60)))
    expect(window.read32(register.receiveHead)).toBe(1)
  })
})
