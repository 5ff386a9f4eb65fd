import assert from 'node:assert/strict'
import {
  createDmaRegion,
  DmaDirection,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import {
  createAhciController,
  EduDevice,
  parseTrace,
  type Recording,
  type RegisterEvent,
  recordTrace,
  replayTrace,
  type Trace,
  type TraceEvent,
} from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { AHCI, AhciPortDriver, ATA, PORT } from '../ahci-driver'
import {
  EDU_ACKNOWLEDGE,
  EDU_ID,
  EDU_INTERRUPT_STATUS,
  EDU_LIVENESS,
  EDU_RAISE,
  fillPattern,
  transfer,
} from '../edu'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'

const FACTORIAL = 0x08
const STATUS = 0x20
const BYTES = 2000
const SECTOR = 512

/** Answers the liveness check with one bit too many. */
class WrongInversion extends EduDevice {
  override read(bar: number, byteOffset: number): number | bigint {
    const value = super.read(bar, byteOffset)
    return byteOffset === EDU_LIVENESS ? Number(value) ^ 0x100 : value
  }
}

/**
 * After a reset QEMU's disk says 0x30 of itself where ATA, and the model, say 0x50: it calls itself ready by no bit. A driver goes by
 * others, so that is left out.
 */
function isSignatureStatus(event: TraceEvent): boolean {
  return event.kind === 'register' && event.offset === 0x100 + PORT.TFD && event.value === 0x130
}

/** What the drivers poll. QEMU's devices may have it at once, which does not look like polling. */
const polledByEdu = ({ offset }: RegisterEvent) => offset === STATUS || undefined
const polledByAhci = ({ offset }: RegisterEvent) =>
  offset === AHCI.GHC ||
  [PORT.CMD, PORT.TFD, PORT.CI, PORT.IS].some((port) => offset === 0x100 + port) ||
  undefined

/** What a device does is recorded on either kernel, and a model of it does the same. */
export function trace({ describe, it }: Runner, host: Host): void {
  const record = async (drive: (kernel: Recording['kernel']) => Promise<void>): Promise<Trace> => {
    const { kernel, trace: recorded } = recordTrace(host.kernel, { bytes: true })
    await withoutLeaks(host, () => drive(kernel))
    // By way of the text, as from another machine.
    return parseTrace(recorded.save())
  }

  describe('trace', () => {
    it('records edu, whose model does the same', async () => {
      const recorded = await record((kernel) => driveEdu(kernel, host))
      const polled = polledByEdu
      const { events, divergence, compared, outside } = replayTrace(recorded, () => new EduDevice(), {
        polled,
      })
      assert.deepEqual(divergence, undefined)
      assert.deepEqual(outside, [])
      const reads = recorded.events.filter((event) => event.kind === 'register' && event.access === 'read')
      assert.deepEqual(compared, { registers: reads.length, bytes: BYTES + 100, interrupts: 2 })
      assert.equal(events, recorded.events.filter(({ device }) => device === host.edu).length)
      const kinds = new Set(recorded.events.map(({ kind }) => kind))
      assert.deepEqual([...kinds].sort(), ['interrupt', 'map', 'register', 'sync', 'unmap'])
      const delivered = recorded.events.filter((event) => 'stage' in event && event.stage === 'delivered')
      assert.equal(delivered.length, 2)
    })

    it('shows where another model does something else first', async () => {
      const recorded = await record((kernel) => driveEdu(kernel, host))
      const { divergence } = replayTrace(recorded, () => new WrongInversion())
      assert.deepEqual([divergence?.expected, divergence?.actual], ['0xedcba987', '0xedcba887'])
      assert.match(divergence?.what ?? '', /register at 0x4 of BAR 0/)
    })

    it('records a disk behind AHCI, whose model does the same', async () => {
      const before = bindDriver(host.ahci, 'vfio-pci', { kernel: host.kernel })
      try {
        const recorded = await record((kernel) => driveAhci(kernel, host))
        const disk = { bytes: new Uint8Array(0x10_0000) }
        const rules = { ignore: isSignatureStatus, polled: polledByAhci }
        const model = () => createAhciController({ disks: [disk] })
        const { divergence, compared, outside } = replayTrace(recorded, model, rules)
        assert.deepEqual(divergence, undefined)
        assert.deepEqual(outside, [])
        assert.equal(compared.bytes, 4 * SECTOR)
        const other = { bytes: new Uint8Array(0x10_0000) }
        const forgetful = createAhciController({ disks: [other] })
        const writes = recorded.events.map((event) =>
          event.kind === 'map' && event.direction === 'to-device' ? { ...event, bytes: 'AAAA' } : event,
        )
        const changed = replayTrace({ ...recorded, events: writes }, forgetful, rules)
        assert.match(changed.divergence?.what ?? '', /the device wrote other bytes/)
      } finally {
        bindDriver(host.ahci, before ?? null, { kernel: host.kernel })
      }
    })
  })
}

/** Registers, bytes to the device and back, and interrupts. */
async function driveEdu(kernel: Recording['kernel'], { edu }: Host): Promise<void> {
  using device = openVfioDevice(edu, { kernel })
  device.setMaster()
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  const registers = device.bar(0)
  using interrupts = device.interrupts()
  assert.equal(registers.read32(EDU_ID) & 0xffff, 0x00ed)
  const liveness = registers.register32(EDU_LIVENESS)
  liveness.write(0x12345678)
  assert.equal(liveness.read(), 0xedcba987)
  registers.write32(FACTORIAL, 10)
  await registers.pollUntil(STATUS, (status) => (status & 1) === 0, { timeoutMilliseconds: 1000 })
  assert.equal(registers.read32(FACTORIAL), 3_628_800)
  using region = createDmaRegion(device, { byteLength: 8192 })
  const [source, target] = [region.bytes.subarray(0, BYTES), region.bytes.subarray(4096, 4096 + BYTES)]
  fillPattern(source, 7)
  const given = dmaMapSingle(device, source, DmaDirection.ToDevice)
  await transfer(registers, 'to-device', given.dmaAddress, BYTES)
  dmaUnmapSingle(device, given)
  const wanted = dmaMapSingle(device, target, DmaDirection.FromDevice)
  await transfer(registers, 'from-device', wanted.dmaAddress, BYTES)
  assert.deepEqual(wanted.syncForCpu(0, 100), source.subarray(0, 100))
  wanted.syncForDevice(0, 100)
  dmaUnmapSingle(device, wanted)
  assert.deepEqual(target, source)
  for (const bits of [1, 0x10]) {
    registers.write32(EDU_RAISE, bits)
    await interrupts.wait({ timeoutMilliseconds: 5000 })
    assert.equal(registers.read32(EDU_INTERRUPT_STATUS), bits)
    registers.write32(EDU_ACKNOWLEDGE, bits)
  }
}

/** A few sectors to the disk and back. */
async function driveAhci(kernel: Recording['kernel'], { ahci }: Host): Promise<void> {
  using device = openVfioDevice(ahci, { kernel })
  device.setMaster()
  using port = new AhciPortDriver(device, 0)
  using region = createDmaRegion(device, { byteLength: 8192 })
  await port.resetController()
  await port.start()
  const [source, target] = [
    region.bytes.subarray(0, 4 * SECTOR),
    region.bytes.subarray(4096, 4096 + 4 * SECTOR),
  ]
  fillPattern(source, 3)
  const given = dmaMapSingle(device, source, DmaDirection.ToDevice)
  const sectors = { lba: 40, sectors: 4 }
  const parts = [{ address: given.dmaAddress, byteLength: given.byteLength }]
  assert.equal((await port.run({ command: ATA.WRITE, ...sectors, parts })).failed, false)
  dmaUnmapSingle(device, given)
  const wanted = dmaMapSingle(device, target, DmaDirection.FromDevice)
  const back = [{ address: wanted.dmaAddress, byteLength: wanted.byteLength }]
  assert.equal((await port.run({ command: ATA.READ, ...sectors, parts: back })).failed, false)
  dmaUnmapSingle(device, wanted)
  assert.deepEqual(target, source)
  await port.stop()
}
