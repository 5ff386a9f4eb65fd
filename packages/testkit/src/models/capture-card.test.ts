import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { type CaptureCardOptions, createCaptureCard } from './capture-card'
import { captureCause, captureDescriptor, captureStatus } from './capture-card-registers'

const ENTRIES = 4
const reg = {
  ...{ id: 0x00, control: 0x04, status: 0x08, frameBytes: 0x0c, frameNanoseconds: 0x10, coalesce: 0x14 },
  ...{
    coalesceMicroseconds: 0x18,
    ringBase: 0x20,
    ringEntries: 0x28,
    tail: 0x2c,
    head: 0x30,
    sequence: 0x38,
  },
  ...{ captured: 0x3c, overruns: 0x40, interruptStatus: 0x50, interruptEnable: 0x54 },
} as const

/** A small driver: a ring of buffers, which it gives to the card and takes back in their order. */
function opened(options: CaptureCardOptions = {}, bufferBytes = options.frameBytes ?? 4096) {
  const host = openDevice(createCaptureCard(options))
  const { registers, device } = host
  const ring = host.allocate(ENTRIES * 32)
  const buffers = host.allocate(ENTRIES * bufferBytes)
  const interrupts = device.interrupts()
  let tail = 0
  let next = 0
  const slot = (index: number) => ring.bytes.subarray(index * 32, (index + 1) * 32)
  const give = (index = tail) => {
    const address = BigInt(Number(buffers.dmaAddress) + index * bufferBytes)
    captureDescriptor.encode({ address, byteLength: bufferBytes, status: 0 }, slot(index))
    tail = (index + 1) % ENTRIES
    registers.write32(reg.tail, tail)
  }
  const take = () => {
    const values = captureDescriptor.decode(slot(next))
    if (values.status === 0) return undefined
    const bytes = buffers.bytes.slice(next * bufferBytes, next * bufferBytes + values.filled)
    captureDescriptor.encode({ status: 0 }, slot(next))
    next = (next + 1) % ENTRIES
    return { ...values, bytes }
  }
  const start = (causes = 0xf) => {
    registers.writeAddress(reg.ringBase, ring.dmaAddress)
    registers.write32(reg.ringEntries, ENTRIES)
    registers.write32(reg.interruptEnable, causes)
    for (let index = 0; index < ENTRIES - 1; index++) give(index)
    registers.write32(reg.control, 1)
  }
  const acknowledge = () => {
    const causes = registers.read32(reg.interruptStatus)
    registers.write32(reg.interruptStatus, causes)
    return causes
  }
  const wait = async (timeoutMilliseconds = 100) => {
    await interrupts.wait({ timeoutMilliseconds })
    return acknowledge()
  }
  return {
    ...host,
    ring,
    interrupts,
    give,
    take,
    start,
    acknowledge,
    wait,
    time: () => host.machine.clock.now(),
  }
}

describe('frames', () => {
  it('come at the rate, each with its number and time', async () => {
    const { start, wait, take, give, registers, time } = opened({ frameBytes: 1000, framesPerSecond: 100 })
    expect(registers.read32(reg.id)).toBe(0xca97_0001)
    expect([registers.read32(reg.frameBytes), registers.read32(reg.frameNanoseconds)]).toEqual([1000, 1e7])
    const began = time()
    start()
    for (let number = 0; number < 10; number++) {
      expect(await wait()).toBe(captureCause.frame)
      const frame = take()!
      give()
      expect(frame).toMatchObject({ sequence: number, status: captureStatus.done, filled: 1000 })
      const view = new DataView(frame.bytes.buffer)
      expect([view.getUint32(0, true), view.getBigUint64(8, true)]).toEqual([number, frame.timestamp])
      expect(frame.bytes[999]).toBe(number)
      const due = began + (number + 1) * 10
      expect(Math.abs(Number(frame.timestamp) / 1e6 - due)).toBeLessThan(0.1)
      // A frame of 10 ms is on the bus for half of its time.
      expect(time() - due).toBeGreaterThan(4.9)
    }
    expect([registers.read32(reg.captured), registers.read32(reg.captured)]).toEqual([10, 0])
    expect(registers.read32(reg.overruns)).toBe(0)
  })

  it('can be scripted, before the card is opened', async () => {
    const { start, wait, take, model } = opened({ frameBytes: 64 })
    model.side.frame(new Uint8Array([1, 2, 3]))
    model.side.frame(new Uint8Array(100).fill(4))
    start()
    await wait()
    expect([...take()!.bytes]).toEqual([1, 2, 3])
    await wait()
    // Longer than the buffer.
    expect(take()).toMatchObject({ filled: 64, status: captureStatus.done | captureStatus.truncated })
    const scripted = createCaptureCard()
    scripted.side.frame(new Uint8Array(4096).fill(9))
    const { device, registers } = openDevice(scripted)
    expect([device.busMaster, registers.read32(reg.status)]).toEqual([true, 2])
  })

  it('stay away while there is no signal', async () => {
    const { start, wait, take, model, registers } = opened()
    model.side.setSignal(false)
    expect(registers.read32(reg.status)).toBe(0)
    start()
    expect(await wait(200).catch(({ code }) => code)).toBe('ETIMEDOUT')
    expect([take(), registers.read32(reg.overruns)]).toEqual([undefined, 0])
    model.side.setSignal(true)
    await wait()
    expect(take()?.sequence).toBe(0)
  })
})

describe('back pressure', () => {
  it('drops and counts frames that find no buffer, and their numbers are missing', async () => {
    const { machine, start, wait, take, give, registers } = opened()
    start(captureCause.frame)
    // Three buffers, seven frames.
    await machine.clock.sleep(7 * 20 + 15)
    expect(registers.read32(reg.overruns)).toBe(4)
    expect(registers.read32(reg.overruns)).toBe(0)
    expect(registers.read32(reg.interruptStatus)).toBe(captureCause.frame | captureCause.overrun)
    await wait()
    expect([take()?.sequence, take()?.sequence, take()?.sequence, take()]).toEqual([0, 1, 2, undefined])
    give()
    give()
    await wait()
    expect(take()?.sequence).toBe(7)
  })

  it('drops frames that come faster than the bus takes them', async () => {
    const { machine, start, take, registers } = opened({ frameBytes: 4096, bytesPerMillisecond: 100 })
    start()
    await machine.clock.sleep(100)
    expect(take()?.sequence).toBe(0)
    expect(registers.read32(reg.overruns)).toBeGreaterThan(0)
    expect(machine.log[0]?.message).toMatch(/frame 1 is lost/)
  })
})

describe('stopping', () => {
  it('lets the frame under way end, and says when', async () => {
    const { machine, start, wait, take, registers } = opened({ frameBytes: 4096 })
    start()
    await machine.clock.sleep(25)
    registers.write32(reg.control, 0)
    expect(registers.read32(reg.status) & 1).toBe(1)
    expect(await wait()).toBe(captureCause.frame | captureCause.stopped)
    expect([registers.read32(reg.status) & 1, take()?.sequence, take()]).toEqual([0, 0, undefined])
    expect(await wait(200).catch(({ code }) => code)).toBe('ETIMEDOUT')
  })

  it('is at once where no frame is under way, and begins anew afterwards', async () => {
    const { machine, start, wait, take, give, registers } = opened()
    start()
    await wait()
    take()
    registers.write32(reg.control, 0)
    expect([await wait(), registers.read32(reg.status) & 1]).toEqual([captureCause.stopped, 0])
    registers.write32(reg.control, 1)
    expect([registers.read32(reg.head), registers.read32(reg.sequence)]).toEqual([0, 0])
    give(0)
    expect(await wait()).toBe(captureCause.frame)
    await machine.clock.sleep(1)
  })

  it('is not waited for by a reset', async () => {
    const { machine, device, start, ring, registers } = opened()
    start()
    await machine.clock.sleep(25)
    device.reset()
    await machine.clock.sleep(100)
    expect(ring.bytes[12]).toBe(0)
    expect([registers.read32(reg.status), registers.read32(reg.frameBytes)]).toEqual([2, 4096])
  })
})

describe('interrupts', () => {
  it('come for several frames at once where the driver says so', async () => {
    const { start, wait, take, registers, time } = opened({ framesPerSecond: 1000 })
    registers.write32(reg.coalesce, 3)
    const began = time()
    start()
    await wait()
    expect(time() - began).toBeGreaterThan(3)
    expect([take(), take(), take()].map((frame) => frame?.sequence)).toEqual([0, 1, 2])
  })

  it('come after a time where there are fewer', async () => {
    const { start, wait, registers, model, time } = opened({ framesPerSecond: 1000 })
    registers.write32(reg.coalesce, 100)
    registers.write32(reg.coalesceMicroseconds, 500)
    const began = time()
    start()
    await wait()
    expect(time() - began).toBeLessThan(2.2)
    model.side.setSignal(false)
  })
})

describe('mistakes of a driver', () => {
  it('are faults: a buffer that is not mapped, a ring that is not', async () => {
    const { start, wait, take, give, ring, registers, machine } = opened()
    start()
    captureDescriptor.encode({ address: 0x900000n }, ring.bytes)
    expect(await wait()).toBe(captureCause.fault)
    expect(take()).toMatchObject({ status: captureStatus.done | captureStatus.fault, filled: 0 })
    expect(machine.faults[0]).toMatchObject({ address: 0x900000, direction: 'write' })
    give()
    registers.write64(reg.ringBase, 0x800000n)
    expect(await wait()).toBe(captureCause.fault)
    expect(machine.log.at(-1)?.message).toMatch(/descriptor 1 cannot be read/)
  })

  it('are logged: a ring that is too small, a tail that is not in it', () => {
    const { registers, machine } = opened()
    registers.write32(reg.ringEntries, 1)
    registers.write32(reg.control, 1)
    expect(registers.read32(reg.control)).toBe(0)
    registers.write32(reg.tail, 1)
    expect(machine.log.map(({ message }) => message)).toEqual([
      'capture card: a ring of 1 descriptors has no room: 2 at least',
      'capture card: the tail 1 is not in the ring',
    ])
  })

  it('are refused in the options', () => {
    for (const options of [
      { frameBytes: 8 },
      { framesPerSecond: 0 },
      { fps: 3 },
      { bytesPerMillisecond: -1 },
    ])
      expect(outcome(() => createCaptureCard(options as never))).toBe('DMA_INVALID_ARGUMENT')
  })
})
