import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import { EduDevice, type EduOptions } from './edu'

const page = 4096
const buffer = 0x40000
const reg = {
  id: 0x00,
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  irqStatus: 0x24,
  raise: 0x60,
  acknowledge: 0x64,
  source: 0x80,
  destination: 0x88,
  count: 0x90,
  command: 0x98,
}

function opened(options?: EduOptions) {
  const machine = createFakeMachine()
  const edu = machine.addDevice(new EduDevice(options))
  const session = openByHand(machine, edu.address)
  const { kernel } = machine
  const window = kernel.mapRegisters(session.device, { byteLength: 0x100000 })
  const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 4 * page }), { byteLength: 4 * page })
  session.map(session.container, mapping.address, 0x100000n, BigInt(4 * page))
  const start = (source: number, destination: number, count: number, command: number) => {
    window.write32(reg.source, source)
    window.write32(reg.destination, destination)
    window.write32(reg.count, count)
    window.write32(reg.command, command)
  }
  /** Starts a transfer and lets it finish. */
  const transfer = (source: number, destination: number, count: number, command: number) => {
    start(source, destination, count, command)
    machine.clock.advance(100)
  }
  const read = (source: number, count = 256) => transfer(source, buffer, count, 1)
  const write = (destination: number, count = 256) => transfer(buffer, destination, count, 3)
  return { ...session, machine, kernel, window, mapping, start, transfer, read, write }
}

describe('registers', () => {
  it('identify the device and show that it lives', () => {
    const { window } = opened()
    expect(window.read32(reg.id)).toBe(0x010000ed)
    window.write32(reg.id, 0)
    window.write32(reg.liveness, 0x12345678)
    expect(window.read32(reg.liveness)).toBe(0xedcba987)
    expect(window.read32(reg.id)).toBe(0x010000ed)
    expect(window.read32(0x0c)).toBe(0xffff_ffff)
  })

  it('take 32 bits below 0x80, and 32 or 64 above', () => {
    const { window } = opened()
    expect([window.read8(0), window.read16(0), window.read64(0)]).toEqual([0, 0, 0xffff_ffff_ffff_ffffn])
    window.write16(reg.liveness, 1)
    window.write64(reg.liveness - 4, 1, 1)
    expect(window.read32(reg.liveness)).toBe(0)
    window.write64(reg.source, 0x9abc_def0, 0x1234_5678)
    expect(window.read64(reg.source)).toBe(0x1234_5678_9abc_def0n)
    expect(window.read32(reg.source)).toBe(0x9abc_def0)
    window.write32(reg.source, 1)
    expect(window.read64(reg.source)).toBe(1n)
    window.write32(reg.source + 4, 1)
    expect(window.read64(reg.source)).toBe(1n)
    expect([window.read8(reg.source), window.read16(reg.source)]).toEqual([0, 0])
  })
})

describe('factorials', () => {
  it('take a while, in which the operand holds still', () => {
    const { window } = opened()
    window.write32(reg.factorial, 10)
    expect(window.read32(reg.status) & 1).toBe(1)
    window.write32(reg.factorial, 3)
    let polls = 0
    while ((window.read32(reg.status) & 1) !== 0) polls++
    expect(polls).toBeLessThan(20)
    expect(window.read32(reg.factorial)).toBe(3628800)
  })

  it('overflow at 32 bits, and are 1 for 0', () => {
    const { machine, window } = opened()
    for (const [operand, result] of [
      [0, 1],
      [1, 1],
      [13, 1932053504],
      [33, 0x80000000],
      [34, 0],
      [1_000_000, 0],
    ] as const) {
      window.write32(reg.factorial, operand)
      machine.clock.advance(operand * 0.001 + 1)
      expect(window.read32(reg.factorial)).toBe(result)
    }
  })

  it('interrupt where that is asked for', () => {
    const { machine, window } = opened()
    window.write32(reg.factorial, 5)
    machine.clock.advance(1)
    expect(window.read32(reg.irqStatus)).toBe(0)
    window.write32(reg.status, 0xff)
    expect(window.read32(reg.status)).toBe(0x80)
    window.write32(reg.factorial, 5)
    machine.clock.advance(1)
    expect(window.read32(reg.irqStatus)).toBe(1)
    window.write32(reg.status, 0)
    expect(window.read32(reg.status)).toBe(0)
  })
})

describe('interrupts', () => {
  it('add up until they are acknowledged, bit by bit', () => {
    const { kernel, window, setIrqs, device } = opened()
    const eventfd = kernel.eventfd()
    const fired = () => outcome(() => kernel.read(eventfd, new Uint8Array(8))) === 'OK(8)'
    setIrqs(device, 0x24, 0, 0, 1, eventfd)
    window.write32(reg.raise, 0x5)
    window.write32(reg.raise, 0x8000_0000)
    expect(window.read32(reg.irqStatus)).toBe(0x8000_0005)
    expect([fired(), fired()]).toEqual([true, false])
    window.write32(reg.acknowledge, 0x8000_0001)
    expect(window.read32(reg.irqStatus)).toBe(4)
    setIrqs(device, 0x11, 0, 0, 1)
    expect(fired()).toBe(true)
    window.write32(reg.acknowledge, 4)
    setIrqs(device, 0x11, 0, 0, 1)
    expect(fired()).toBe(false)
    window.write32(reg.raise, 0)
    expect(fired()).toBe(false)
  })

  it('send a message each time where MSI is on', () => {
    const { kernel, window, setIrqs, device } = opened()
    const eventfd = kernel.eventfd()
    setIrqs(device, 0x24, 1, 0, 1, eventfd)
    window.write32(reg.raise, 1)
    window.write32(reg.raise, 1)
    const bytes = new Uint8Array(8)
    kernel.read(eventfd, bytes)
    expect(bytes[0]).toBe(2)
  })
})

describe('DMA', () => {
  it('goes through the buffer and back, in 100 ms each way', () => {
    const { machine, window, mapping, start, write } = opened()
    mapping.bytes.fill(0xab, 0, 256)
    start(0x100000, buffer, 256, 1)
    expect(window.read32(reg.command)).toBe(1)
    machine.clock.advance(99)
    expect(window.read32(reg.command)).toBe(1)
    machine.clock.advance(1)
    expect(window.read32(reg.command)).toBe(0)
    write(0x102000)
    expect(window.read32(reg.command)).toBe(2)
    expect([0x2000, 0x20ff, 0x2100].map((at) => mapping.bytes[at])).toEqual([0xab, 0xab, 0])
  })

  it('moves all 4096 bytes, none for a count of 0, and not more', () => {
    const { machine, mapping, read, write } = opened()
    mapping.bytes.fill(1, 0, page)
    read(0x100000, 4096)
    write(0x101000, 0)
    expect(mapping.bytes[page]).toBe(0)
    write(0x101000, 4096)
    expect(mapping.bytes.subarray(page, 2 * page).every((byte) => byte === 1)).toBe(true)
    mapping.bytes.fill(2, 0, page)
    read(0x100000, 4097)
    write(0x101000, 1)
    expect(mapping.bytes[page]).toBe(1)
    expect(machine.log).toHaveLength(1)
    expect(machine.log[0]!.message).toContain('4097 bytes at device address 0x40000')
  })

  it('outside the buffer is logged and moves nothing, and still completes', () => {
    const { machine, window, mapping, transfer } = opened()
    for (const [source, destination, command] of [
      [0x100000, 0x3ffff, 1],
      [0x100000, 0x41000, 1],
      [0x3ffff, 0x100000, 3],
      [0x40fff, 0x100000, 3],
    ] as const) {
      transfer(source, destination, 16, command | 4)
      expect(window.read32(reg.command) & 1).toBe(0)
    }
    expect(window.read32(reg.irqStatus)).toBe(0x100)
    expect(machine.log).toHaveLength(4)
    expect(mapping.bytes.every((byte) => byte === 0)).toBe(true)
  })

  it('ignores its registers while it runs, and commands that do not start it', () => {
    const { machine, window, start } = opened()
    window.write32(reg.command, 2)
    expect(window.read32(reg.command)).toBe(0)
    start(0x100000, buffer, 16, 1)
    window.write32(reg.source, 5)
    window.write32(reg.destination, 5)
    window.write32(reg.count, 5)
    window.write32(reg.command, 3)
    expect([reg.source, reg.destination, reg.count, reg.command].map((at) => window.read32(at))).toEqual([
      0x100000,
      buffer,
      16,
      1,
    ])
    machine.clock.advance(100)
    window.write32(reg.source, 5)
    expect(window.read32(reg.source)).toBe(5)
  })

  it('interrupts at its end where that is asked for', () => {
    const { window, transfer } = opened()
    transfer(0x100000, buffer, 16, 1)
    expect(window.read32(reg.irqStatus)).toBe(0)
    transfer(0x100000, buffer, 16, 1 | 4)
    expect(window.read32(reg.irqStatus)).toBe(0x100)
    expect(window.read32(reg.command)).toBe(4)
  })

  it('cuts addresses to 28 bits, so that a high one aliases a low one', () => {
    const { machine, kernel, mapping, map, container, read, write } = opened()
    const high = kernel.mmap(kernel.memfd('y', { byteLength: page }), { byteLength: page })
    map(container, high.address, 0x10100000n, 0x1000n)
    mapping.bytes.fill(1, 0, page)
    high.bytes.fill(2)
    read(0x10100000)
    write(0x101000)
    expect(mapping.bytes[page]).toBe(1)
    expect(machine.log[0]!.message).toContain('0x10100000 is out of reach: the device drives 28 address bits')
  })

  it('reaches further with a wider mask', () => {
    const { kernel, window, mapping, map, container, read, write, machine } = opened({
      dmaMask: (1n << 64n) - 1n,
    })
    const high = kernel.mmap(kernel.memfd('y', { byteLength: page }), { byteLength: page })
    map(container, high.address, 0x12_3400_0000n, 0x1000n)
    mapping.bytes.fill(7, 0, 256)
    read(0x100000)
    window.write32(reg.source, buffer)
    window.write64(reg.destination, 0x3400_0000, 0x12)
    window.write32(reg.command, 3)
    machine.clock.advance(100)
    expect(high.bytes[255]).toBe(7)
    expect(machine.log).toEqual([])
    write(0x100000)
  })

  it('that the IOMMU refuses reads zeros and writes nothing', () => {
    const { machine, mapping, read, write, unmap, container, map } = opened()
    mapping.bytes.fill(9, 0, 256)
    read(0x100000)
    unmap(container, 0x100000n, BigInt(4 * page))
    write(0x100000)
    expect(machine.faults).toMatchObject([{ address: 0x100000, direction: 'write', byteLength: 256 }])
    read(0x900000)
    map(container, mapping.address, 0x100000n, BigInt(4 * page))
    write(0x100000)
    expect(mapping.bytes[0]).toBe(0)
  })

  it('moves nothing with bus mastering off, and completes as if it had', () => {
    const { kernel, device, window, mapping, write, transfer } = opened()
    mapping.bytes.fill(9, 0, 256)
    transfer(0x100000, buffer, 256, 1)
    kernel.write(device, new Uint8Array([0x02]), 7 * 2 ** 40 + 4)
    mapping.bytes.fill(0)
    transfer(buffer, 0x100000, 256, 3 | 4)
    expect([mapping.bytes[0], window.read32(reg.command), window.read32(reg.irqStatus)]).toEqual([
      0, 6, 0x100,
    ])
    kernel.write(device, new Uint8Array([0x06]), 7 * 2 ** 40 + 4)
    write(0x100000)
    expect(mapping.bytes[0]).toBe(9)
  })
})

it('refuses options that are none', () => {
  expect(outcome(() => new EduDevice({ dmaMask: 28 } as never))).toBe('DMA_INVALID_ARGUMENT')
  expect(outcome(() => new EduDevice({ mask: 1n } as never))).toBe('DMA_INVALID_ARGUMENT')
})
