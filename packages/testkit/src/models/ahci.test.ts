import { describe, expect, it } from 'vitest'
import { ahci, type CommandParts, dataAt, openAhci } from '../fixtures/ahci-by-hand'
import { outcome } from '../fixtures/outcome'
import { createAhciController } from './ahci'
import { ahciCause, receivedFis } from './ahci-registers'

const SECTORS = 64
const done = { issued: 0, taskFile: 0x50 }

function withDisk(options: { serial?: string; model?: string } = {}) {
  const disk = Uint8Array.from({ length: SECTORS * 512 }, (_, at) => (at >> 9) + at)
  const host = openAhci({ disks: [{ bytes: disk, ...options }] })
  host.start()
  host.registers.write32(ahci.PxIS, 0xffff_ffff)
  return { ...host, disk }
}

describe('registers', () => {
  // Read from QEMU 7.2's ich9-ahci after GHC.HR, with a disk at port 0; CAP there has native command queueing, too.
  it('begin as QEMU’s do after a reset', () => {
    const { registers } = openAhci({ disks: [{ bytes: new Uint8Array(512) }] })
    const at = [
      0x00,
      0x04,
      0x08,
      0x0c,
      0x10,
      0x14,
      0x24,
      0x28,
      ahci.CMD,
      ahci.TFD,
      ahci.SIG,
      ahci.SSTS,
      ahci.SERR,
    ]
    expect(at.map((offset) => registers.read32(offset))).toEqual([
      ...[0x8014_1f05, 0x8000_0000, 0, 0x3f, 0x1_0000, 0, 0, 0],
      ...[6, 0x7f, 0xffff_ffff, 0x113, 0],
    ])
    expect([registers.read32(ahci.SSTS + 0x80), registers.read32(ahci.SIG + 0x80)]).toEqual([0, 0xffff_ffff])
    registers.write32(ahci.PxIE, 0xffff_ffff)
    expect(registers.read32(ahci.PxIE)).toBe(0xfdc0_00ff)
    expect(registers.read32(0x400)).toBe(0)
  })

  it('show the signature as soon as the port listens', () => {
    const { registers, start, received } = openAhci({ disks: [{ bytes: new Uint8Array(512) }] })
    start()
    expect([registers.read32(ahci.SIG), registers.read32(ahci.TFD)]).toEqual([0x101, 0x150])
    expect([registers.read32(ahci.PxIS), registers.read32(ahci.CMD)]).toEqual([
      ahciCause.deviceToHost,
      0xc011,
    ])
    expect(received(receivedFis.deviceToHost).slice(0, 5)).toEqual([0x34, 0x40, 0x50, 1, 1])
    registers.write32(ahci.CMD, 0)
    expect(registers.read32(ahci.CMD)).toBe(0)
  })
})

describe('a disk', () => {
  it('says what it is', () => {
    const { run, buffer, received } = withDisk({ model: 'A DISK', serial: 'S-1' })
    expect(run({ command: 0xec, regions: [[dataAt, 512]] })).toEqual({
      ...done,
      causes: ahciCause.pioSetup,
      byteCount: 512,
    })
    expect(received(receivedFis.pioSetup).slice(0, 4)).toEqual([0x5f, 0x60, 0x58, 0])
    expect(received(receivedFis.pioSetup).slice(15, 18)).toEqual([0x50, 0, 2])
    const words = new Uint16Array(buffer.bytes.buffer, buffer.bytes.byteOffset + dataAt, 256)
    const text = (first: number, count: number) =>
      [...words.subarray(first, first + count)]
        .map((word) => String.fromCharCode(word >> 8, word & 255))
        .join('')
        .trim()
    expect([text(10, 10), text(27, 20)]).toEqual(['S-1', 'A DISK'])
    expect([words[60], words[100], words[83]! & 0x400]).toEqual([SECTORS, SECTORS, 0x400])
  })

  it('is read and written, in regions of any length', () => {
    const { run, buffer, disk } = withDisk()
    const read = run({
      command: 0x25,
      lba: 3,
      count: 2,
      regions: [
        [dataAt, 300],
        [dataAt + 1000, 724],
      ],
    })
    expect(read).toEqual({ ...done, causes: ahciCause.deviceToHost, byteCount: 1024 })
    const bytes = buffer.bytes.subarray(dataAt)
    expect([...bytes.subarray(0, 300), ...bytes.subarray(1000, 1724)]).toEqual([...disk.subarray(1536, 2560)])
    bytes.fill(0x5a, 0, 512)
    run({ command: 0x35, lba: 63, count: 1, regions: [[dataAt, 4096]] })
    expect([...disk.subarray(-513)]).toEqual([disk.at(-513), ...new Uint8Array(512).fill(0x5a)])
    bytes.fill(0x77, 0, 512)
    run({ command: 0xca, lba: 0, count: 1, regions: [[dataAt, 512]] })
    expect(disk[511]).toBe(0x77)
    run({ command: 0xc8, lba: 63, count: 1, regions: [[dataAt, 512]] })
    expect(bytes[0]).toBe(0x5a)
    expect(run({ command: 0x24, lba: 0, count: 1, regions: [[dataAt, 512]] }).causes).toBe(ahciCause.pioSetup)
    expect(bytes[0]).toBe(0x77)
    expect(run({ command: 0xea })).toEqual({ ...done, causes: ahciCause.deviceToHost, byteCount: 0 })
  })

  it('answers all slots that are issued, the lowest first', () => {
    const { prepare, registers, machine, buffer } = withDisk()
    const one = { command: 0x25, lba: 5, count: 1, regions: [[dataAt, 512]] } as const
    for (const slot of [31, 4, 0]) prepare({ ...one, slot })
    registers.write32(ahci.CI, 0x10)
    registers.write32(ahci.CI, 0x8000_0001)
    expect(registers.read32(ahci.CI)).toBe(0x8000_0011)
    expect(registers.read32(ahci.CMD)).toBe(0xc411)
    machine.clock.advance(10)
    expect([registers.read32(ahci.CI), buffer.bytes[dataAt]]).toEqual([0, 5])
  })

  it('tells when a region is done that asks for it', () => {
    const { run } = withDisk()
    const parts = { command: 0x25, count: 1, regions: [[dataAt, 512]], interruptAfter: true } as const
    expect(run(parts).causes).toBe(ahciCause.deviceToHost | ahciCause.descriptor)
  })
})

describe('an error', () => {
  it('of the disk keeps the command issued until ST was 0', () => {
    const { run, restart, registers, received } = withDisk()
    const beyond: CommandParts = { command: 0x25, lba: SECTORS, count: 1, regions: [[dataAt, 512]] }
    const refused = {
      causes: (ahciCause.taskFile | ahciCause.deviceToHost) >>> 0,
      byteCount: 0,
      issued: 1,
      taskFile: 0x441,
    }
    expect(run(beyond)).toEqual(refused)
    expect(received(receivedFis.deviceToHost).slice(0, 4)).toEqual([0x34, 0x40, 0x41, 4])
    // Nothing is done any more, whatever is issued.
    expect(run({ command: 0xec, slot: 1, regions: [[dataAt, 512]] })).toMatchObject({ causes: 0, issued: 3 })
    restart()
    expect(registers.read32(ahci.CI)).toBe(0)
    expect(run({ command: 0xec, regions: [[dataAt, 512]] })).toMatchObject(done)
    expect(run({ command: 0x60 })).toEqual(refused)
  })

  const ec = { command: 0xec, regions: [[dataAt, 512]] } as const
  const failures: [string, CommandParts, number, RegExp][] = [
    [
      'a PRDT that is too short',
      { ...ec, regions: [[dataAt, 510]] },
      ahciCause.overflow,
      /shorter than its 512/,
    ],
    ['no PRDT', { ...ec, regions: [] }, ahciCause.overflow, /shorter/],
    [
      'an odd count',
      {
        ...ec,
        regions: [
          [dataAt, 511],
          [dataAt, 512],
        ],
      },
      ahciCause.hostFatal,
      /odd/,
    ],
    ['an odd address', { ...ec, regions: [[dataAt + 1, 512]] }, ahciCause.hostFatal, /odd/],
    [
      'memory that is not mapped',
      { ...ec, regions: [[0x900000, 512]], absolute: true },
      ahciCause.hostFatal,
      /reached/,
    ],
    ['another kind of FIS', { ...ec, fis: [0x34] }, ahciCause.interfaceFatal, /no command FIS/],
    ['a FIS that is too short', { ...ec, flags: 4 }, ahciCause.interfaceFatal, /no command FIS/],
    ['a W bit that is wrong', { ...ec, flags: 0x45 }, ahciCause.interfaceFatal, /W bit/],
  ]
  it.each(failures)('of the driver is told: %s', (_what, parts, cause, message) => {
    const { run, restart, machine } = withDisk()
    expect(run(parts)).toMatchObject({ causes: cause, issued: 1 })
    expect(machine.log.at(-1)?.message).toMatch(message)
    restart()
    expect(run(ec)).toMatchObject(done)
  })

  it('of addresses, too', () => {
    const { run, restart, registers, base, machine } = withDisk()
    registers.write64(ahci.CLB, 0x800000n)
    expect(run(ec)).toMatchObject({ causes: ahciCause.hostFatal })
    registers.write64(ahci.CLB, BigInt(base))
    restart()
    registers.write64(ahci.FB, 0x800000n)
    expect(run(ec)).toMatchObject({ causes: (ahciCause.hostFatal | ahciCause.pioSetup) >>> 0 })
    expect(machine.faults.map(({ direction }) => direction)).toEqual(['read', 'write'])
    registers.write32(ahci.CMD, 0)
    registers.write32(ahci.CI, 1)
    expect(registers.read32(ahci.CI)).toBe(0)
    registers.write32(ahci.CMD, 1)
    expect(machine.log.slice(-2).map(({ message }) => message)).toEqual([
      'AHCI: port 0: a command is issued while ST is 0: it is lost',
      'AHCI: port 0: it is started without FRE: what the disk says is lost',
    ])
  })
})

describe('stopping', () => {
  it('waits for the command under way', () => {
    const { prepare, registers, machine } = withDisk()
    prepare({ command: 0x25, count: 60, regions: [[dataAt, 60 * 512]] })
    registers.write32(ahci.CI, 1)
    machine.clock.advance(0.15)
    registers.write32(ahci.CMD, 0x10)
    expect(registers.read32(ahci.CMD) & 0x8000).toBe(0x8000)
    machine.clock.advance(1)
    expect([registers.read32(ahci.CMD) & 0x8001, registers.read32(ahci.CI)]).toEqual([0, 0])
  })
})

describe('resets', () => {
  it('of the link make the disk speak anew', () => {
    const { registers, run } = withDisk()
    registers.write32(ahci.SCTL, 1)
    registers.write32(ahci.SCTL, 0)
    expect([registers.read32(ahci.SIG), registers.read32(ahci.PxIS)]).toEqual([0x101, ahciCause.deviceToHost])
    registers.write32(ahci.CMD, 0)
    registers.write32(ahci.SCTL, 1)
    registers.write32(ahci.SCTL, 0)
    expect([registers.read32(ahci.SIG), registers.read32(ahci.TFD)]).toEqual([0xffff_ffff, 0x7f])
    registers.write32(ahci.CMD, 0x11)
    expect(run({ command: 0xec, regions: [[dataAt, 512]] })).toMatchObject(done)
  })

  it('of the disk are two FISes', () => {
    const { run, registers } = withDisk()
    const control = (bits: number) => run({ command: 0, fis: [0x27, 0, ...new Array(13).fill(0), bits] })
    expect(control(4)).toMatchObject({ issued: 0, taskFile: 0x80, causes: 0 })
    expect(control(0)).toMatchObject({ issued: 0, taskFile: 0x150, causes: ahciCause.deviceToHost })
    expect(registers.read32(ahci.SIG)).toBe(0x101)
  })

  it('of the controller take a moment', () => {
    const { registers, machine } = withDisk()
    registers.write32(ahci.PxIE, 1)
    registers.write32(ahci.GHC, 3)
    expect(registers.read32(ahci.GHC) & 1).toBe(1)
    machine.clock.advance(1)
    const at = [ahci.GHC, ahci.PxIE, ahci.CMD, ahci.TFD, ahci.SIG, ahci.CI, ahci.SSTS]
    expect(at.map((offset) => registers.read32(offset))).toEqual([
      0x8000_0000, 0, 6, 0x7f, 0xffff_ffff, 0, 0x113,
    ])
  })
})

describe('interrupts', () => {
  it('go from the port to the controller, and stay until both are cleared', async () => {
    const { registers, device, prepare } = withDisk()
    using interrupts = device.interrupts({ kind: 'intx' })
    const pending = () =>
      interrupts.wait({ timeoutMilliseconds: 5 }).then(
        ({ count }) => count,
        ({ code }) => code,
      )
    registers.write32(ahci.PxIE, ahciCause.pioSetup)
    prepare({ command: 0xec, regions: [[dataAt, 512]] })
    registers.write32(ahci.CI, 1)
    expect(await pending()).toBe('ETIMEDOUT')
    expect(registers.read32(ahci.IS)).toBe(1)
    registers.write32(ahci.GHC, 2)
    expect(await pending()).toBe(1)
    // In the wrong order: the port still has its cause.
    registers.write32(ahci.IS, 1)
    expect(registers.read32(ahci.IS)).toBe(1)
    expect(await pending()).toBe(1)
    registers.write32(ahci.PxIS, 2)
    expect([registers.read32(ahci.IS), await pending()]).toEqual([1, 1])
    registers.write32(ahci.IS, 1)
    expect(await pending()).toBe('ETIMEDOUT')
  })
})

describe('disks', () => {
  it('come and go while the machine runs', () => {
    const { model, registers, run, prepare, machine } = withDisk()
    prepare({ command: 0xec, regions: [[dataAt, 512]] })
    registers.write32(ahci.CI, 1)
    model.side.unplug(0)
    machine.clock.advance(10)
    expect([registers.read32(ahci.CI), registers.read32(ahci.SSTS)]).toEqual([1, 0])
    expect([registers.read32(ahci.SERR), registers.read32(ahci.PxIS)]).toEqual([
      0x0400_0000,
      ahciCause.connect,
    ])
    registers.write32(ahci.SERR, 0x0400_0000)
    registers.write32(ahci.CMD, 0)
    const bytes = new Uint8Array(512).fill(8)
    model.side.plug(0, { bytes })
    registers.write32(ahci.CMD, 0x11)
    registers.write32(ahci.PxIS, 0xffff_ffff)
    expect(run({ command: 0x25, count: 1, regions: [[dataAt, 512]] })).toMatchObject(done)
    expect(outcome(() => model.side.plug(6, { bytes }))).toBe('DMA_INVALID_ARGUMENT')
  })

  it('are refused where they are none', () => {
    const bytes = new Uint8Array(512)
    const bad = [
      { disks: [{ bytes: new Uint8Array(100) }] },
      { disks: [{ bytes: new Uint8Array(0) }] },
      { disks: [{ bytes, serial: 'x'.repeat(21) }] },
      { disks: [{ bytes, model: 'ü' }] },
      { disks: [{ bytes, size: 3 }] },
      { disks: new Array(7).fill({ bytes }) },
      { commandMilliseconds: -1 },
      { ports: 3 },
    ]
    for (const options of bad)
      expect(outcome(() => createAhciController(options as never))).toBe('DMA_INVALID_ARGUMENT')
  })
})
