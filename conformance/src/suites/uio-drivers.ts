import assert from 'node:assert/strict'
import type { DmaError } from '@linux-dma/core'
import { openUio, type UioDevice, type UioInterruptStream } from '@linux-dma/uio'
import { EDU_ACKNOWLEDGE, EDU_ID, EDU_RAISE, settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { uioOf, until } from '../with-uio'
import { everyCall, everyQuickCall } from './uio-unbind'

/** The suites' own driver, and one that has nothing at all. */
const OWN = 'lab_uio'
const SILENT = 'lab_uio_silent'
/** What the driver wrote into each of its maps. */
const marks = { logical: 0x4c4f_4749, virtual: 0x5649_5254, coherent: 0x434f_4845 } as const
/** A byte of the clock's memory that nobody uses. */
const UNUSED_CMOS = 0x60

function wordAt(bytes: Uint8Array, byteOffset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(byteOffset, true)
}

/** Writes and reads a byte of the clock's memory, which is behind two ports: for its number and its value. */
function reachPorts(device: UioDevice): void {
  const ports = device.port(0)
  assert.equal(ports, device.port(0))
  const read = () => {
    ports.write8(0, UNUSED_CMOS)
    return ports.read8(1)
  }
  const write = (value: number) => {
    ports.write8(0, UNUSED_CMOS)
    ports.write8(1, value)
  }
  const before = read()
  write(before ^ 0x5a)
  assert.equal(read(), before ^ 0x5a)
  write(before)
  refusal(() => ports.read16(0), 'DMA_UNSUPPORTED', /8 bits/)
  refusal(() => ports.read8(2), 'DMA_RANGE')
}

/** UIO drivers of devices that are none of PCI. */
export function uioDrivers({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, uio } = host
  const withDriver = (name: string, test: (device: UioDevice) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using device = openUio({ name }, { kernel })
      await test(device)
    })
  /** Unbinds the driver under an open device in the test, and gives it back. */
  const withUnbinding = (name: string, test: (device: UioDevice, unbind: () => void) => Promise<void>) =>
    withDriver(name, async (device) => {
      let bound = true
      try {
        await test(device, () => {
          uio.unbindPlatform(name)
          bound = false
        })
      } finally {
        if (!bound) uio.bindPlatform(name, name)
      }
    })

  describe('uio drivers of their own', () => {
    it('shares memory of each kind as bytes, and never as registers', () =>
      withDriver(OWN, (device) => {
        for (const [index, [name, mark]] of Object.entries(marks).entries()) {
          using memory = device.mapMemory(name)
          assert.equal(wordAt(memory.bytes, 0), mark)
          refusal(() => device.map(name), 'DMA_NOT_REGISTERS', new RegExp(`mapMemory\\(${index}\\)`))
          using again = device.mapMemory(name)
          memory.bytes[16] = 0x5a
          assert.equal(again.bytes[16], 0x5a)
          memory.bytes[16] = 0
          assert.equal(memory.name, name)
        }
      }))

    it('ends where the map does, wherever in its page it begins', () =>
      withDriver(OWN, (device) => {
        using memory = device.mapMemory('virtual')
        assert.deepEqual([memory.byteLength, memory.bytes.byteLength], [5000, 5000])
        assert.equal(wordAt(memory.bytes, 0), marks.virtual, 'behind the start of its page')
        using again = device.mapMemory('virtual')
        memory.bytes.set([0xfe, 0xca, 0xad, 0x0b], 4996)
        assert.equal(wordAt(again.bytes, 4996), 0x0bad_cafe)
        memory.bytes.fill(0, 4996)
      }))

    it('takes memory back when it is closed, and when the device is', () =>
      withDriver(OWN, (device) => {
        const memory = device.mapMemory(0)
        const { bytes } = memory
        memory.close()
        memory.close()
        assert.equal(bytes[0], 0)
        refusal(() => memory.bytes, 'DMA_CLOSED', /mapMemory/)
        const other = device.mapMemory(0)
        device.close()
        assert.equal(other.closed, true)
        refusal(() => other.bytes, 'DMA_CLOSED')
      }))

    it('has no bus of its own: nothing of PCI, and DMA for one at a time', () =>
      withDriver(OWN, (device) => {
        for (const action of [() => device.setMaster(), () => device.config, () => device.bar(0)]) {
          refusal(action, 'DMA_NO_PCI', /map\(/)
        }
        assert.deepEqual([device.address, device.busMaster, device.dmaReady], [undefined, true, true])
        using second = openUio({ name: OWN }, { kernel })
        device.assertReady()
        assert.equal(second.dmaReady, false)
        refusal(() => second.assertReady(), 'DMA_IN_USE')
        device.close()
        second.assertReady()
      }))

    const ports = 'reaches I/O ports, a byte at a time'
    if (!kernel.list('/dev').includes('port')) skip(ports, 'a kernel without CONFIG_DEVPORT has no /dev/port')
    else it(ports, () => withDriver(OWN, reachPorts))

    it('refuses ports that it does not have', () =>
      withDriver(OWN, (device) => {
        refusal(() => device.port(1), 'DMA_NO_PORT', /it has 0/)
      }))
  })

  describe('uio drivers and their interrupts', () => {
    const countOf = async (stream: UioInterruptStream) =>
      (await stream.wait({ timeoutMilliseconds: 20_000 })).count

    it('counts a storm exactly, in one delivery', () =>
      withDriver(OWN, async (device) => {
        using stream = device.interrupts()
        assert.equal(stream.kind, 'uio')
        const before = device.eventCount
        uio.notify(1_000_000)
        assert.equal(await countOf(stream), 1_000_000)
        assert.equal((device.eventCount - before) >>> 0, 1_000_000)
      }))

    it('loses none and counts none twice, however they come', () =>
      withDriver(OWN, async (device) => {
        using stream = device.interrupts()
        let sent = 0
        let taken = 0
        for (let i = 1; i <= 40; i++) {
          uio.notify(i * i)
          sent += i * i
          // The loop turns now and then only, with and without somebody who waits.
          if (i % 3 === 0) await settle(kernel)
          if (i % 4 === 0) taken += await countOf(stream)
        }
        while (taken < sent) taken += await countOf(stream)
        assert.equal(taken, sent)
        assert.equal(stream.pending, 0)
      }))

    it('tells the driver when to hold back, and when not', () =>
      withDriver(OWN, async (device) => {
        const { calls } = uio.irqcontrol()
        const told = () => [uio.irqcontrol().last, uio.irqcontrol().calls - calls]
        const stream = device.interrupts()
        assert.deepEqual(told(), [1, 1], 'an earlier program may have left it held back')
        uio.notify(1)
        assert.equal(await countOf(stream), 1)
        assert.deepEqual(told(), [1, 1], 'not while it is handled')
        const next = stream.next()
        assert.deepEqual(told(), [1, 2], 'again when the next one is asked for')
        stream.disable()
        assert.deepEqual(told(), [0, 3])
        uio.notify(2)
        assert.deepEqual(await next, { done: false, value: { vector: 0, count: 2 } })
        const another = stream.next()
        assert.deepEqual(told(), [0, 3], 'not while it is disabled')
        stream.enable()
        assert.deepEqual(told(), [1, 4])
        stream.close()
        assert.deepEqual(told(), [0, 5])
        assert.deepEqual(await another, { done: true, value: undefined })
      }))

    it('says that a device has none, and what to do instead', () =>
      withDriver(SILENT, (device) => {
        refusal(() => device.interrupts(), 'DMA_NO_INTERRUPT', /pollUntil/)
        refusal(() => device.map(0), 'DMA_NO_MAP', /it has none/)
        assert.equal(device.eventCount, 0)
      }))
  })

  describe('uio drivers that go', () => {
    it('take their memory with them: what was mapped reads zeros', () =>
      withUnbinding(OWN, async (device, unbind) => {
        const stream = device.interrupts()
        const memories = Object.keys(marks).map((name) => device.mapMemory(name))
        const views = memories.map(({ bytes }) => bytes)
        const waiting = assert.rejects(stream.next(), { code: 'DMA_DEVICE_GONE' })
        unbind()
        await waiting
        assert.equal(device.removed.aborted, true)
        for (const [index, memory] of memories.entries()) {
          assert.equal(memory.closed, true)
          assert.equal(views[index]![0], 0)
          views[index]![0] = 1
          refusal(() => memory.bytes, 'DMA_DEVICE_GONE')
        }
      }))

    it('are noticed at the next call where there is no interrupt to tell of it, whichever it is', async () => {
      let of = 1
      for (let which = 0; which < of; which++) {
        await withUnbinding(SILENT, async (device, unbind) => {
          unbind()
          await settle(kernel)
          assert.equal(device.removed.aborted, false)
          const calls = [...everyCall(device), ...everyQuickCall(device)]
          of = calls.length
          refusal(calls[which]!, 'DMA_DEVICE_GONE')
          assert.equal((device.removed.reason as DmaError).code, 'DMA_DEVICE_GONE')
          assert.deepEqual([device.busMaster, device.dmaReady], [false, false])
        })
      }
    })

    it('let what is gone be closed without a word, noticed or not', () =>
      withUnbinding(SILENT, async (device, unbind) => {
        unbind()
        device.close()
        refusal(() => device.map(0), 'DMA_CLOSED')
      }))

    it('take their ports with them', async () => {
      if (!kernel.list('/dev').includes('port')) return
      await withUnbinding(OWN, async (device, unbind) => {
        const ports = device.port(0)
        unbind()
        await until(kernel, () => device.removed.aborted)
        refusal(() => ports.read8(1), 'DMA_CLOSED')
      })
    })
  })

  describe('uio_pdrv_genirq', () => {
    const withPdrv = (test: (device: UioDevice) => Promise<void>) =>
      withoutLeaks(host, async () => {
        uio.addPdrv()
        try {
          const { node } = uioOf(kernel, ({ driver }) => driver === 'uio_pdrv_genirq')
          using device = openUio(node, { kernel })
          await test(device)
        } finally {
          uio.removePlatformEdu()
        }
      })

    it('has the registers in its first map', () =>
      withPdrv(async (device) => {
        assert.equal(device.map(0).read32(EDU_ID), 0x0100_00ed)
        refusal(() => device.mapMemory(0), 'DMA_NOT_MEMORY')
      }))

    it('disables the line at each interrupt, which the next that is asked for undoes', () =>
      withPdrv(async (device) => {
        const registers = device.map(0)
        using stream = device.interrupts()
        const countOf = async () => (await stream.wait({ timeoutMilliseconds: 5000 })).count
        for (let i = 0; i < 5; i++) {
          registers.write32(EDU_RAISE, 1)
          assert.equal(await countOf(), 1)
          await settle(kernel)
          assert.equal(stream.pending, 0, 'asserted, and held back')
          if (i % 2) assert.equal(await countOf(), 1, 'still asserted: it comes at once')
          registers.write32(EDU_ACKNOWLEDGE, 1)
        }
        stream.disable()
        registers.write32(EDU_RAISE, 1)
        await settle(kernel)
        assert.equal(stream.pending, 0)
        stream.enable()
        assert.equal(await countOf(), 1)
        registers.write32(EDU_ACKNOWLEDGE, 1)
      }))
  })
}
