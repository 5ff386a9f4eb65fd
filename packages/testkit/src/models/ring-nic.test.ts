import type { CoherentAllocation } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { createRingNic, type RingNicOptions } from './ring-nic'
import { NIC_END_OF_FRAME, nicCause, nicDescriptor, nicStatus } from './ring-nic-registers'

const ENTRIES = 4
const BUFFER_BYTES = 256
const reg = {
  ...{ id: 0x00, control: 0x04, status: 0x08, macLow: 0x10, macHigh: 0x14, receive: 0x20, transmit: 0x40 },
  ...{ received: 0x60, sent: 0x64, dropped: 0x68, interruptStatus: 0x80, interruptEnable: 0x84 },
} as const
/** From the base of a ring's registers on. */
const ringAt = { entries: 8, tail: 12, head: 16 } as const
const control = { receive: 1, transmit: 2, loopback: 4 } as const

type Host = ReturnType<typeof openDevice<ReturnType<typeof createRingNic>>>

/** One ring of a small driver: descriptors and a buffer for each. */
class Ring {
  readonly #host: Host
  readonly #at: number
  readonly descriptors: CoherentAllocation
  readonly buffers: CoherentAllocation
  #tail = 0
  #next = 0

  constructor(host: Host, at: number) {
    this.#host = host
    this.#at = at
    this.descriptors = host.allocate(ENTRIES * 16)
    this.buffers = host.allocate(ENTRIES * BUFFER_BYTES)
    host.registers.writeAddress(at, this.descriptors.dmaAddress)
    host.registers.write32(at + ringAt.entries, ENTRIES)
  }

  slot(index: number): Uint8Array {
    return this.descriptors.bytes.subarray(index * 16, index * 16 + 16)
  }

  /** Gives the next buffer to the card, with bytes in it where it is to be sent. */
  give(bytes = new Uint8Array(BUFFER_BYTES), flags = 0): void {
    const index = this.#tail
    this.buffers.bytes.set(bytes, index * BUFFER_BYTES)
    const address = BigInt(Number(this.buffers.dmaAddress) + index * BUFFER_BYTES)
    nicDescriptor.encode({ address, byteLength: bytes.byteLength, flags, status: 0 }, this.slot(index))
    this.#tail = (index + 1) % ENTRIES
    this.#host.registers.write32(this.#at + ringAt.tail, this.#tail)
  }

  /** Takes back a buffer that the card is done with. */
  take() {
    const values = nicDescriptor.decode(this.slot(this.#next))
    if ((values.status & nicStatus.done) === 0) return undefined
    nicDescriptor.encode({ status: 0 }, this.slot(this.#next))
    const start = this.#next * BUFFER_BYTES
    this.#next = (this.#next + 1) % ENTRIES
    return { ...values, bytes: this.buffers.bytes.slice(start, start + values.byteLength) }
  }
}

function opened(options: RingNicOptions = {}) {
  const host = openDevice(createRingNic(options))
  const { registers, device, model } = host
  const receive = new Ring(host, reg.receive)
  const transmit = new Ring(host, reg.transmit)
  const interrupts = device.interrupts()
  const sent: Uint8Array[] = []
  model.side.onTransmit((frame) => sent.push(frame))
  registers.write32(reg.interruptEnable, 0x1f)
  registers.write32(reg.control, control.receive | control.transmit)
  const wait = async () => {
    await interrupts.wait({ timeoutMilliseconds: 100 })
    const causes = registers.read32(reg.interruptStatus)
    registers.write32(reg.interruptStatus, causes)
    return causes
  }
  return { ...host, receive, transmit, sent, wait }
}

const frame = (byteLength: number, first: number) =>
  Uint8Array.from({ length: byteLength }, (_, at) => (first + at) & 0xff)

describe('sending', () => {
  it('puts frames together from their parts, at the rate of the wire', async () => {
    const { transmit, wait, sent, registers, machine } = opened({ bytesPerMillisecond: 100 })
    transmit.give(frame(100, 0))
    transmit.give(frame(50, 100), NIC_END_OF_FRAME)
    expect(registers.read32(reg.status)).toBe(3)
    const began = machine.clock.now()
    expect(await wait()).toBe(nicCause.sent)
    expect(machine.clock.now() - began).toBeCloseTo(1.5, 1)
    expect(sent).toEqual([frame(150, 0)])
    expect([transmit.take()?.status, transmit.take()?.status, transmit.take()]).toEqual([1, 1, undefined])
    expect([registers.read32(reg.status), registers.read32(reg.sent), registers.read32(reg.sent)]).toEqual([
      1, 1, 0,
    ])
  })

  it('goes round the ring, and waits until it is switched on', async () => {
    const { transmit, wait, sent, registers } = opened()
    registers.write32(reg.control, 0)
    for (let turn = 0; turn < 3; turn++) transmit.give(frame(60, turn), NIC_END_OF_FRAME)
    expect(await wait().catch(({ code }) => code)).toBe('ETIMEDOUT')
    registers.write32(reg.control, control.transmit)
    while (sent.length < 3) await wait()
    for (let turn = 3; turn < 9; turn++) {
      transmit.take()
      transmit.give(frame(60, turn), NIC_END_OF_FRAME)
      await wait()
    }
    expect(sent.map(([first]) => first)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(registers.read32(reg.transmit + ringAt.head)).toBe(9 % ENTRIES)
  })

  it('marks what it could not read, and goes on with the next frame', async () => {
    const { transmit, wait, sent, machine, registers } = opened()
    registers.write32(reg.control, 0)
    transmit.give(frame(60, 1), NIC_END_OF_FRAME)
    nicDescriptor.encode({ address: 0x900000n }, transmit.slot(0))
    transmit.give(frame(60, 2), NIC_END_OF_FRAME)
    registers.write32(reg.control, control.transmit)
    expect(await wait()).toBe(nicCause.fault | nicCause.sent)
    await machine.clock.sleep(1)
    expect([transmit.take()?.status, transmit.take()?.status]).toEqual([
      nicStatus.done | nicStatus.fault,
      nicStatus.done,
    ])
    expect(sent.map(([first]) => first)).toEqual([2])
    expect(machine.faults).toMatchObject([{ address: 0x900000, direction: 'read' }])
  })

  it('stops where the ring cannot be read', async () => {
    const { transmit, wait, registers, machine } = opened()
    registers.write64(reg.transmit, 0x900000n)
    transmit.give(frame(60, 1), NIC_END_OF_FRAME)
    expect(await wait()).toBe(nicCause.fault)
    expect(registers.read32(reg.control)).toBe(control.receive)
    expect(machine.log[0]?.message).toBe('ring NIC: transmit descriptor 0 cannot be read')
  })
})

describe('receiving', () => {
  it('fills as many buffers as a frame takes', async () => {
    const { receive, wait, model, registers } = opened()
    for (let index = 0; index < 3; index++) receive.give()
    expect(model.side.receive(frame(BUFFER_BYTES + 10, 7))).toBe(true)
    expect(await wait()).toBe(nicCause.received)
    const parts = [receive.take()!, receive.take()!]
    expect(parts.map(({ byteLength, flags }) => [byteLength, flags])).toEqual([
      [BUFFER_BYTES, 0],
      [10, NIC_END_OF_FRAME],
    ])
    expect([...parts[0]!.bytes, ...parts[1]!.bytes]).toEqual([...frame(BUFFER_BYTES + 10, 7)])
    expect([receive.take(), registers.read32(reg.received)]).toEqual([undefined, 1])
  })

  it('drops and counts what finds no room, without taking buffers for it', async () => {
    const { receive, wait, machine, model, registers } = opened()
    expect(model.side.receive(frame(60, 1))).toBe(false)
    receive.give()
    expect(model.side.receive(frame(BUFFER_BYTES + 1, 2))).toBe(false)
    expect(model.side.receive(frame(60, 3))).toBe(true)
    expect((await wait()) & nicCause.dropped).toBe(nicCause.dropped)
    await machine.clock.sleep(1)
    expect(receive.take()?.bytes[0]).toBe(3)
    expect(registers.read32(reg.dropped)).toBe(2)
    registers.write32(reg.control, control.transmit)
    receive.give()
    expect(model.side.receive(frame(60, 4))).toBe(false)
  })

  it('marks a buffer that it could not write', async () => {
    const { receive, wait, model, machine } = opened()
    receive.give()
    nicDescriptor.encode({ address: 0x900000n }, receive.slot(0))
    model.side.receive(frame(60, 1))
    expect(await wait()).toBe(nicCause.fault | nicCause.received)
    expect(receive.take()?.status).toBe(nicStatus.done | nicStatus.fault)
    expect(machine.faults).toMatchObject([{ direction: 'write', byteLength: 60 }])
  })
})

describe('the link', () => {
  it('is a cause, and loses frames while it is down', async () => {
    const { transmit, receive, wait, model, registers, sent } = opened()
    receive.give()
    model.side.setLink(false)
    model.side.setLink(false)
    expect([await wait(), registers.read32(reg.status)]).toEqual([nicCause.link, 0])
    expect(model.side.receive(frame(60, 1))).toBe(false)
    expect(await wait()).toBe(nicCause.dropped)
    transmit.give(frame(60, 1), NIC_END_OF_FRAME)
    expect(await wait()).toBe(nicCause.sent | nicCause.dropped)
    expect([sent.length, registers.read32(reg.dropped)]).toEqual([0, 2])
    model.side.setLink(true)
    expect([await wait(), registers.read32(reg.status)]).toEqual([nicCause.link, 1])
  })

  it('can be a loop, or a cable to another card', async () => {
    const { transmit, receive, wait, registers, machine, model, sent } = opened()
    receive.give()
    receive.give()
    registers.write32(reg.control, 7)
    transmit.give(frame(60, 5), NIC_END_OF_FRAME)
    expect((await wait()) & nicCause.sent).toBe(nicCause.sent)
    await machine.clock.sleep(1)
    expect([receive.take()?.bytes[0], sent.length]).toEqual([5, 0])
    registers.write32(reg.interruptStatus, 0x1f)
    registers.write32(reg.control, 3)
    const other = opened({ macAddress: [2, 0, 0, 0, 0, 9] })
    model.side.connect(other.model)
    other.receive.give()
    transmit.give(frame(60, 6), NIC_END_OF_FRAME)
    await wait()
    expect(await other.wait()).toBe(nicCause.received)
    expect(other.receive.take()?.bytes[0]).toBe(6)
    other.transmit.give(frame(60, 8), NIC_END_OF_FRAME)
    await other.wait()
    await wait()
    expect(receive.take()?.bytes[0]).toBe(8)
  })

  it('survives a reset; the rings do not', () => {
    const { device, registers, model, receive } = opened()
    receive.give()
    model.side.setLink(false)
    device.reset()
    expect([registers.read32(reg.status), registers.read64(reg.receive)]).toEqual([0, 0n])
    expect([registers.read32(reg.macLow), registers.read32(reg.macHigh)]).toEqual([0x5452, 0x0100])
  })
})

it('refuses what no card has, and logs a tail that is in no ring', () => {
  expect(outcome(() => createRingNic({ macAddress: [1] }))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => createRingNic({ mac: 1 } as never))).toBe('DMA_INVALID_ARGUMENT')
  const { registers, machine } = opened()
  registers.write32(reg.transmit + ringAt.tail, 4)
  registers.write32(reg.receive + ringAt.tail, 5)
  expect(machine.log.map(({ message }) => message)).toEqual([
    'ring NIC: the transmit tail 4 is not in the ring of 4 descriptors',
    'ring NIC: the receive tail 5 is not in the ring of 4 descriptors',
  ])
})
