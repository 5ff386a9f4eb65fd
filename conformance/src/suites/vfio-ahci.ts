import assert from 'node:assert/strict'
import { addToDmaAddress, type CoherentAllocation, dmaAllocCoherent } from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { AHCI, AhciPortDriver, ATA, CAUSE, PORT } from '../ahci-driver'
import { fillPattern } from '../edu'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'

/** The disk at port 0. */
const SECTORS = 2048
const SERIAL = 'lab-disk'

interface Bench {
  readonly device: VfioDevice
  readonly port: AhciPortDriver
  /** Memory for data. */
  readonly region: CoherentAllocation
  part(
    byteOffset: number,
    byteLength: number,
  ): { address: CoherentAllocation['dmaAddress']; byteLength: number }
}

/** A driver written from the specification alone, on QEMU's controller and on the model. */
export function vfioAhci({ describe, it }: Runner, host: Host): void {
  const { kernel, ahci } = host

  const withPort = (index: number, test: (bench: Bench) => Promise<void>) => async () => {
    const before = bindDriver(ahci, 'vfio-pci', { kernel })
    try {
      await withoutLeaks(host, async () => {
        using device = openVfioDevice(ahci, { kernel })
        device.setMaster()
        using port = new AhciPortDriver(device, index)
        using region = dmaAllocCoherent(device, 64 * 1024)
        const part = (byteOffset: number, byteLength: number) => ({
          address: addToDmaAddress(region.dmaAddress, byteOffset),
          byteLength,
        })
        await port.resetController()
        await test({ device, port, region, part })
      })
    } finally {
      bindDriver(ahci, before ?? null, { kernel })
    }
  }

  describe('vfio ahci', () => {
    it(
      'begins after a reset as the specification says',
      withPort(0, async ({ device, port }) => {
        const registers = device.bar(5)
        assert.equal(registers.read32(AHCI.GHC), 0x8000_0000)
        assert.deepEqual([registers.read32(AHCI.IS), registers.read32(AHCI.PI)], [0, 0x3f])
        assert.equal(registers.read32(AHCI.VS), 0x0001_0000)
        // Six ports, 32 slots, 64-bit addresses, no legacy interface.
        const [ports, slots] = [registers.read32(AHCI.CAP) & 0x1f, (registers.read32(AHCI.CAP) >>> 8) & 0x1f]
        assert.deepEqual([ports, slots, registers.read32(AHCI.CAP) >>> 31], [5, 31, 1])
        const at = [PORT.IS, PORT.IE, PORT.CMD, PORT.TFD, PORT.SIG, PORT.SSTS, PORT.SERR, PORT.CI]
        assert.deepEqual(
          at.map((offset) => port.read(offset)),
          [0, 0, 6, 0x7f, 0xffff_ffff, 0x113, 0, 0],
        )
      }),
    )

    it(
      'keeps the bits that it has, and no others',
      withPort(0, async ({ port }) => {
        port.write(PORT.IE, 0xffff_ffff)
        assert.equal(port.read(PORT.IE), 0xfdc0_00ff)
        for (const readOnly of [PORT.TFD, PORT.SIG, PORT.SSTS]) {
          const before = port.read(readOnly)
          port.write(readOnly, ~before)
          assert.equal(port.read(readOnly), before)
        }
      }),
    )

    it(
      'shows the disk’s signature once the port listens',
      withPort(0, async ({ port }) => {
        await port.start()
        assert.equal(port.read(PORT.SIG), 0x101)
        assert.equal(port.read(PORT.CMD) & 0xc011, 0xc011)
        await port.stop()
        assert.equal(port.read(PORT.CMD) & 0xc011, 0)
      }),
    )

    it(
      'identifies the disk',
      withPort(0, async ({ port, region, part }) => {
        await port.start()
        const { causes, failed, moved } = await port.run({ command: ATA.IDENTIFY, parts: [part(0, 512)] })
        assert.deepEqual([causes & CAUSE.pioSetup, failed, moved], [CAUSE.pioSetup, false, 512])
        const words = new Uint16Array(region.bytes.buffer, region.bytes.byteOffset, 256)
        const serial = [...words.subarray(10, 20)].map((word) => String.fromCharCode(word >> 8, word & 0xff))
        assert.equal(serial.join('').trim(), SERIAL)
        assert.equal(words[60]! + words[61]! * 0x1_0000, SECTORS)
        assert.equal(words[100]! + words[101]! * 0x1_0000, SECTORS)
        // DMA, 28-bit and 48-bit addresses.
        assert.deepEqual([words[49]! & 0x300, words[83]! & 0x400], [0x300, 0x400])
      }),
    )

    it(
      'writes sectors and reads them back, in parts of all lengths',
      withPort(0, async ({ port, region, part }) => {
        await port.start()
        const { bytes } = region
        fillPattern(bytes.subarray(0, 4096), 3)
        const written = await port.run({ command: ATA.WRITE, lba: 1000, sectors: 8, parts: [part(0, 4096)] })
        assert.deepEqual([written.causes, written.failed, written.moved], [CAUSE.deviceToHost, false, 4096])
        const lengths = [2, 510, 1024, 1000, 1560]
        let at = 8192
        const parts = lengths.map((length) => {
          const one = part(at, length)
          at += length + 64
          return one
        })
        const read = await port.run({ command: ATA.READ, lba: 1000, sectors: 8, parts })
        assert.deepEqual([read.causes, read.failed, read.moved], [CAUSE.deviceToHost, false, 4096])
        const back: number[] = []
        at = 8192
        for (const length of lengths) {
          back.push(...bytes.subarray(at, at + length))
          assert.deepEqual(bytes.subarray(at + length, at + length + 64), new Uint8Array(64))
          at += length + 64
        }
        assert.deepEqual(Uint8Array.from(back), bytes.slice(0, 4096))
      }),
    )

    it(
      'takes a PRDT that is longer than the command',
      withPort(0, async ({ port, region, part }) => {
        await port.start()
        region.bytes.fill(0xee, 0, 2048)
        const { failed, moved } = await port.run({
          command: ATA.READ,
          lba: 0,
          sectors: 1,
          parts: [part(0, 2048)],
        })
        assert.deepEqual([failed, moved, region.bytes[511], region.bytes[512]], [false, 512, 0, 0xee])
      }),
    )

    it(
      'says that it moved nothing where the PRDT is too short',
      withPort(0, async ({ port, part }) => {
        await port.start()
        port.prepare({ command: ATA.READ, lba: 0, sectors: 4, parts: [part(0, 512)] })
        port.issue(1)
        await kernel.clock.sleep(50)
        assert.equal(port.moved(), 0)
        await port.stop()
        assert.equal(port.read(PORT.CI), 0)
      }),
    )

    it(
      'works on all slots that are issued',
      withPort(0, async ({ port, region, part }) => {
        await port.start()
        const slots = [0, 3, 17, 31]
        for (const [index, slot] of slots.entries()) {
          fillPattern(region.bytes.subarray(index * 512, index * 512 + 512), slot)
          port.prepare(
            { command: ATA.WRITE, lba: 100 + index, sectors: 1, parts: [part(index * 512, 512)] },
            slot,
          )
        }
        port.issue(slots.reduce((bits, slot) => bits | (1 << slot), 0) >>> 0)
        await port.finish(0xffff_ffff)
        assert.deepEqual(
          slots.map((slot) => port.moved(slot)),
          [512, 512, 512, 512],
        )
        await port.run({ command: ATA.READ, lba: 100, sectors: 4, parts: [part(8192, 2048)] })
        assert.deepEqual(region.bytes.slice(8192, 8192 + 2048), region.bytes.slice(0, 2048))
      }),
    )

    for (const [what, command] of [
      ['a read beyond the last sector', { command: ATA.READ, lba: SECTORS, sectors: 1 }],
      ['a command that no disk knows', { command: 0xff }],
    ] as const) {
      it(
        `refuses ${what}, and goes on once the port was stopped`,
        withPort(0, async ({ port, part }) => {
          await port.start()
          const { causes, failed, moved } = await port.run({ ...command, parts: [part(0, 512)] })
          assert.equal(causes, CAUSE.taskFile | CAUSE.deviceToHost)
          assert.deepEqual([failed, moved, port.read(PORT.TFD)], [true, 0, 0x441])
          assert.equal(port.read(PORT.CI), 1)
          await port.start()
          assert.equal(port.read(PORT.CI), 0)
          const last = await port.run({
            command: ATA.READ,
            lba: SECTORS - 1,
            sectors: 1,
            parts: [part(0, 512)],
          })
          assert.deepEqual([last.failed, last.moved], [false, 512])
        }),
      )
    }

    for (const kind of ['msi', 'intx'] as const) {
      it(
        `interrupts by ${kind} for what is enabled`,
        withPort(0, async ({ device, port, part }) => {
          await port.start()
          using interrupts = device.interrupts({ kind })
          port.write(PORT.IE, CAUSE.deviceToHost)
          device.bar(5).write32(AHCI.GHC, 0x8000_0002)
          for (let turn = 0; turn < 3; turn++) {
            port.prepare({ command: ATA.READ, lba: turn, sectors: 1, parts: [part(0, 512)] })
            port.issue(1)
            await interrupts.wait({ timeoutMilliseconds: 5000 })
            assert.deepEqual([port.read(PORT.CI), device.bar(5).read32(AHCI.IS)], [0, 1])
            assert.equal(port.acknowledge(), CAUSE.deviceToHost)
            assert.equal(device.bar(5).read32(AHCI.IS), 0)
          }
          port.write(PORT.IE, 0)
          await port.run({ command: ATA.READ, lba: 0, sectors: 1, parts: [part(0, 512)] })
          await kernel.clock.sleep(20)
          assert.equal(interrupts.pending, 0)
        }),
      )
    }

    it(
      'resets the link, after which the disk speaks anew',
      withPort(0, async ({ port, part }) => {
        await port.start()
        await port.stop()
        port.write(PORT.SCTL, 1)
        await kernel.clock.sleep(2)
        port.write(PORT.SCTL, 0)
        assert.deepEqual([port.read(PORT.SIG), port.read(PORT.TFD)], [0xffff_ffff, 0x7f])
        await port.start()
        assert.equal(port.read(PORT.SIG), 0x101)
        assert.equal((await port.run({ command: ATA.IDENTIFY, parts: [part(0, 512)] })).failed, false)
      }),
    )

    it(
      'does nothing at a port without a disk',
      withPort(1, async ({ port, part }) => {
        assert.deepEqual([port.read(PORT.SSTS), port.read(PORT.SIG)], [0, 0xffff_ffff])
        await port.start()
        port.prepare({ command: ATA.IDENTIFY, parts: [part(0, 512)] })
        port.issue(1)
        await kernel.clock.sleep(20)
        assert.deepEqual([port.read(PORT.CI), port.read(PORT.IS), port.moved()], [1, 0, 0])
        await port.stop()
        assert.equal(port.read(PORT.CI), 0)
      }),
    )
  })
}
