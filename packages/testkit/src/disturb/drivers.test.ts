import { dmaAllocCoherent } from '@linux-dma/core'
import { openUio } from '@linux-dma/uio'
import { describe, expect, it } from 'vitest'
import { ahci, dataAt, openAhci } from '../fixtures/ahci-by-hand'
import { openDevice } from '../fixtures/opened-device'
import { createFakeMachine } from '../machine'
import { ahciCause } from '../models/ahci-registers'
import { createCaptureCard } from '../models/capture-card'
import { captureDescriptor } from '../models/capture-card-registers'
import { createMailboxFpga } from '../models/mailbox-fpga'
import { createRingNic } from '../models/ring-nic'
import { nicDescriptor } from '../models/ring-nic-registers'

const FRAME_BYTES = 256
const ENTRIES = 8

/** A capture card that fills a ring of buffers, once round: 100 frames a second, each with its number in its first bytes. */
function capturing() {
  const host = openDevice(createCaptureCard({ frameBytes: FRAME_BYTES, framesPerSecond: 100 }))
  const { registers, device } = host
  const ring = host.allocate(ENTRIES * 32)
  const frames = host.allocate(ENTRIES * FRAME_BYTES)
  const interrupts = device.interrupts()
  const slot = (index: number) => ring.bytes.subarray(index * 32, (index + 1) * 32)
  for (let index = 0; index < ENTRIES - 1; index++) {
    const address = BigInt(Number(frames.dmaAddress) + index * FRAME_BYTES)
    captureDescriptor.encode({ address, byteLength: FRAME_BYTES }, slot(index))
  }
  registers.writeAddress(0x20, ring.dmaAddress)
  registers.write32(0x28, ENTRIES)
  registers.write32(0x2c, ENTRIES - 1)
  registers.write32(0x54, 1)
  const acknowledge = () => registers.write32(0x50, registers.read32(0x50))
  return {
    ...host,
    start: () => registers.write32(0x04, 1),
    /** The number in the frame, and the one in its descriptor, where that says that it is there. */
    look: (index: number) => {
      const { status, sequence } = captureDescriptor.decode(slot(index))
      const view = new DataView(frames.bytes.buffer, frames.bytes.byteOffset + index * FRAME_BYTES)
      return status === 0 ? undefined : { inFrame: view.getUint32(0, true), sequence }
    },
    wait: async (timeoutMilliseconds = 100) => {
      await interrupts.wait({ timeoutMilliseconds })
      acknowledge()
    },
    acknowledge,
    end: () => {
      device.close()
      host.machine.assertQuiescent()
    },
  }
}

describe('frames that come after the word of them', () => {
  it('are what was there before to a driver that believes the descriptor', async () => {
    const card = capturing()
    card.machine.disturb(card.model, {
      dmaWrite: 'late',
      byMilliseconds: 2,
      minimumByteLength: FRAME_BYTES,
      nth: 2,
    })
    card.start()
    await card.wait()
    expect(card.look(0)).toEqual({ inFrame: 0, sequence: 0 })
    await card.wait()
    expect(card.look(1)).toEqual({ inFrame: 0, sequence: 1 })
    card.end()
  })

  it('are found by one that compares the numbers, and waits', async () => {
    const card = capturing()
    card.machine.disturb(card.model, {
      dmaWrite: 'late',
      byMilliseconds: 2,
      minimumByteLength: FRAME_BYTES,
      nth: 2,
    })
    card.start()
    await card.wait()
    await card.wait()
    let tries = 0
    while (card.look(1)!.inFrame !== 1 && tries < 10) {
      tries++
      await card.machine.clock.sleep(1)
    }
    expect(tries).toBe(2)
    card.end()
  })
})

describe('an interrupt that is lost', () => {
  it('is the last one to a driver that does nothing without', async () => {
    const card = capturing()
    const lost = card.machine.disturb(card.model, { interrupt: 'lost', nth: 2 })
    card.start()
    await card.wait()
    // The cause stands, so that the card sends no other.
    await expect(card.wait(500)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(lost.count).toBe(1)
    card.end()
  })

  it('is made up for by one that looks at the ring when its time is up', async () => {
    const card = capturing()
    card.machine.disturb(card.model, { interrupt: 'lost', nth: 2 })
    card.start()
    let next = 0
    while (next < 5) {
      await card.wait(15).catch(() => card.acknowledge())
      while (card.look(next) !== undefined) next++
    }
    expect(card.machine.clock.now()).toBeLessThan(60)
    card.end()
  })
})

describe('interrupts that became one', () => {
  it.each([
    ['one frame for each interrupt', 1, 2],
    ['all that are there', ENTRIES, 4],
  ])('leave a driver that takes %s behind, or not', async (_, most, expected) => {
    const card = capturing()
    // Each cause is acknowledged at once, by another hand, so that every frame sends a message.
    card.machine.disturb(card.model, { interrupt: 'coalesced', interrupts: 2, withinMilliseconds: 50 })
    card.start()
    for (const at of [11, 21, 31, 41]) card.machine.clock.schedule(at, card.acknowledge)
    let next = 0
    for (let turn = 0; turn < 2; turn++) {
      await card.wait()
      for (let taken = 0; taken < most && card.look(next) !== undefined; taken++) next++
    }
    expect(next).toBe(expected)
    card.end()
  })
})

/** A network card with one buffer for a frame to come, and memory of somebody else behind it. */
function receiving() {
  const host = openDevice(createRingNic())
  const { registers, device } = host
  const ring = host.allocate(2 * 16)
  const memory = host.allocate(4096)
  nicDescriptor.encode({ address: BigInt(Number(memory.dmaAddress)), byteLength: 256 }, ring.bytes)
  registers.writeAddress(0x20, ring.dmaAddress)
  registers.write32(0x28, 2)
  registers.write32(0x2c, 1)
  registers.write32(0x04, 1)
  const receive = (bytes: Uint8Array) => {
    host.model.side.receive(bytes)
    host.machine.clock.advance(10)
    return nicDescriptor.decode(ring.bytes)
  }
  return { ...host, memory, receive, end: () => device.close() }
}

describe('a card that writes past its buffer', () => {
  it('destroys what lies behind it, and a driver that keeps room between buffers sees it', () => {
    const nic = receiving()
    const neighbour = nic.memory.bytes.subarray(256)
    neighbour.fill(0xaa)
    nic.machine.disturb(nic.model, { dmaWrite: 'past', byteLength: 16, minimumByteLength: 60, seed: 3 })
    expect(nic.receive(new Uint8Array(256).fill(1))).toMatchObject({ status: 1, byteLength: 256 })
    const broken = neighbour.findIndex((byte) => byte !== 0xaa)
    expect([broken, neighbour.subarray(16).every((byte) => byte === 0xaa)]).toEqual([0, true])
    nic.end()
  })
})

it('a frame that is written to a wrong address is a fault behind an IOMMU, and the card says that all is well', () => {
  const nic = receiving()
  nic.machine.disturb(nic.model, { dmaWrite: 'misplaced', byteOffset: 1 << 30, minimumByteLength: 60 })
  nic.receive(new Uint8Array(100).fill(1))
  expect(nic.memory.bytes[0]).toBe(0)
  expect(nic.machine.faults).toMatchObject([
    {
      address: Number(nic.memory.dmaAddress) + 2 ** 30,
      byteLength: 100,
      direction: 'write',
      device: nic.model.address,
    },
  ])
  nic.end()
})

describe('a disk', () => {
  const disk = () => Uint8Array.from({ length: 4096 }, (_, at) => at >> 3)
  const read = { command: 0x25, lba: 0, count: 2, regions: [[dataAt, 1024]] } as const

  it('whose command comes short does nothing until its driver restarts it', () => {
    const host = openAhci({ disks: [{ bytes: disk() }] })
    host.start()
    const short = host.machine.disturb(host.model, { dmaRead: 'short', byteLength: 8 })
    const { causes, issued } = host.run(read)
    expect([short.count, causes & ahciCause.hostFatal, issued]).toEqual([1, ahciCause.hostFatal, 1])
    short.stop()
    host.restart()
    expect(host.run(read)).toMatchObject({ issued: 0, taskFile: 0x50, byteCount: 1024 })
    host.device.close()
  })

  it('that writes too little says that it wrote it all; a driver that filled the buffer first sees it', () => {
    const host = openAhci({ disks: [{ bytes: disk().fill(7) }] })
    host.start()
    host.buffer.bytes.fill(0xee, dataAt, dataAt + 1024)
    host.machine.disturb(host.model, { dmaWrite: 'short', byteLength: 24, minimumByteLength: 512 })
    expect(host.run(read)).toMatchObject({ issued: 0, taskFile: 0x50, byteCount: 1024 })
    const data = host.buffer.bytes.subarray(dataAt, dataAt + 1024)
    expect([data[0], data.at(-1), data.filter((byte) => byte === 0xee).length >= 24]).toEqual([7, 0xee, true])
    host.device.close()
  })

  it('whose port forgets a command is left with one that never ends', () => {
    const host = openAhci({ disks: [{ bytes: disk() }] })
    host.start()
    host.machine.disturb(host.model, { register: 'lost', bar: 5, byteOffset: ahci.CI, nth: 1 })
    expect(host.run(read)).toMatchObject({ byteCount: 0xdead })
    expect(host.run(read)).toMatchObject({ byteCount: 1024 })
    host.device.close()
  })
})

describe('over UIO, on a platform device', () => {
  /** A mailbox, and a driver of one command: the result of an echo. */
  function mailbox() {
    const machine = createFakeMachine({ iommu: 'off', kernelRelease: '6.8.0' })
    const model = createMailboxFpga({ commandMilliseconds: 1 })
    machine.addPlatformDevice(model, { driver: 'uio_dmem_genirq', dynamicRegions: [8192] })
    const device = openUio({ name: 'mailbox-fpga' }, { kernel: machine.kernel })
    const interrupts = device.interrupts()
    const registers = device.map(0)
    registers.write32(0x44, 3)
    return {
      ...{ machine, model, device, registers },
      begin: (argument: number) => {
        registers.write32(0x10, argument)
        registers.write32(0x08, 1)
        registers.write32(0x0c, 1)
      },
      acknowledge: () => {
        const causes = registers.read32(0x40)
        registers.write32(0x40, causes)
        return causes
      },
      wait: () => interrupts.wait({ timeoutMilliseconds: 10 }),
      end: () => {
        device.close()
        machine.assertQuiescent()
      },
    }
  }

  it('a lost interrupt is a line that stays down, until the device is served', async () => {
    const box = mailbox()
    box.machine.disturb(box.model, { interrupt: 'lost', nth: 1 })
    box.begin(5)
    await expect(box.wait()).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect([box.acknowledge(), box.registers.read32(0x20)]).toEqual([1, 5])
    box.begin(6)
    await box.wait()
    expect([box.acknowledge(), box.registers.read32(0x20)]).toEqual([1, 6])
    box.end()
  })

  it('a spurious interrupt comes without a cause', async () => {
    const box = mailbox()
    box.machine.disturb(box.model, { interrupt: 'spurious', afterMilliseconds: 0.5 })
    box.begin(5)
    await box.wait()
    expect(box.acknowledge()).toBe(0)
    await box.wait()
    expect([box.acknowledge(), box.registers.read32(0x20)]).toEqual([1, 5])
    box.end()
  })

  it('a register that answers late has the last result for who does not read it twice', async () => {
    const box = mailbox()
    box.machine.disturb(box.model, { register: 'late', byteOffset: 0x20, reads: 1 })
    expect(box.registers.read32(0x20)).toBe(0)
    box.begin(5)
    await box.wait()
    expect([box.registers.read32(0x20), box.registers.read32(0x20)]).toEqual([0, 5])
    box.end()
  })

  it('a link that is down answers ones, and the device is there again', async () => {
    const box = mailbox()
    const cut = box.machine.disturb(box.model, { link: 'down' })
    expect([box.registers.read32(0x00), box.model.windows.memory[0]]).toEqual([0xffff_ffff, 0])
    box.begin(5)
    cut.stop()
    expect(box.registers.read32(0x10)).toBe(0)
    using memory = dmaAllocCoherent(box.device, 64)
    expect(memory.bytes[0]).toBe(0)
    box.begin(6)
    await box.wait()
    expect([box.acknowledge(), box.registers.read32(0x20)]).toEqual([1, 6])
    memory.free()
    box.end()
  })
})

it('of a driver that a test wrote, a device behind a map can be disturbed as well', () => {
  const machine = createFakeMachine()
  const model = createMailboxFpga()
  machine.registerUio({
    name: 'mine',
    version: '1',
    mem: [{ name: 'registers', memtype: 'phys', byteLength: 0x1000, model }],
  })
  using device = openUio({ name: 'mine' }, { kernel: machine.kernel })
  const registers = device.map('registers')
  const id = registers.read32(0)
  using ones = machine.disturb(model, { register: 'ones', byteOffset: 0, nth: 2 })
  expect([registers.read32(0), registers.read32(0), registers.read32(0)]).toEqual([id, 0xffff_ffff, id])
  expect(ones.count).toBe(1)
})
