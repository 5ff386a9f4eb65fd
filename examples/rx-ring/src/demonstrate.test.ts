import { type AccessWidth, createFakeMachine, E1000Device } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { calibrate } from './calibrate'
import { demonstrate } from './demonstrate'
import { E1000Driver, type E1000Options } from './e1000-driver'
import { makeFrame } from './frames'
import { EEPROM_READ, PACKETS_RECEIVED, STATUS, TRANSMIT_CONTROL } from './registers'

const ADDRESS = '0000:00:09.0'

async function run(device: E1000Device): Promise<string[]> {
  const machine = createFakeMachine()
  machine.addDevice(device, { address: ADDRESS })
  const lines: string[] = []
  try {
    await demonstrate(machine.kernel, ADDRESS, (line) => lines.push(line))
    expect(machine.faults).toEqual([])
    expect(machine.log).toEqual([])
    machine.assertNoDmaErrors()
  } finally {
    machine.assertQuiescent()
  }
  return lines
}

/** A card one of whose registers answers wrong. */
class Broken extends E1000Device {
  readonly #register: number
  readonly #flip: number

  constructor(register: number, flip: number) {
    super()
    this.#register = register
    this.#flip = flip
  }

  override read(bar: number, byteOffset: number): number {
    const value = super.read(bar, byteOffset)
    return byteOffset === this.#register ? (value ^ this.#flip) >>> 0 : value
  }
}

/** One that never starts to send. */
class Mute extends E1000Device {
  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    if (byteOffset !== TRANSMIT_CONTROL) super.write(bar, byteOffset, width, value)
  }
}

/** An open driver in loopback, on a machine of its own. */
async function started(options: E1000Options = {}, card = new E1000Device()) {
  const machine = createFakeMachine()
  machine.addDevice(card, { address: ADDRESS })
  const device = openVfioDevice(ADDRESS, { kernel: machine.kernel })
  const driver = new E1000Driver(device, { descriptors: 8, spares: 2, ...options })
  await driver.start({ loopback: true })
  return {
    machine,
    device,
    driver,
    send: (byteLength: number, number = 0) => driver.send(makeFrame(driver.macBytes, byteLength, number)),
    end() {
      driver.close()
      driver.close()
      device.close()
      machine.assertQuiescent()
    },
  }
}

describe('the demonstration', () => {
  it('gets through everything and leaves nothing behind', async () => {
    const lines = await run(new E1000Device())
    expect(lines).toHaveLength(10)
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  })

  it.each([
    ['has no link', new Broken(STATUS, 2), /the link is down/],
    ['has a worn EEPROM', new Broken(EEPROM_READ, 0x1_0000), /the EEPROM adds up to/],
    ['counts wrong', new Broken(PACKETS_RECEIVED, 1), /65 received/],
    ['sends nothing', new Mute(), /no intx interrupt within 5000 ms/],
  ])('fails, and leaves nothing behind, with a card that %s', async (_, device, message) => {
    await expect(run(device)).rejects.toThrow(message)
  })
})

describe('the driver', () => {
  it('refuses another device, and options that the card cannot follow', () => {
    const machine = createFakeMachine()
    machine.addDevice(new E1000Device(), { address: ADDRESS })
    using device = openVfioDevice(ADDRESS, { kernel: machine.kernel })
    for (const options of [{ bufferByteLength: 1000 }, { descriptors: 9 }]) {
      expect(() => new E1000Driver(device, options)).toThrow(
        expect.objectContaining({ code: 'E1000_OPTION' }),
      )
    }
    expect(device.children.size).toBe(0)
  })

  it.each([1, 2, 5, 9, 10, 11])('leaves nothing behind where mapping %i of its start fails', (nth) => {
    const machine = createFakeMachine()
    machine.addDevice(new E1000Device(), { address: ADDRESS })
    const device = openVfioDevice(ADDRESS, { kernel: machine.kernel })
    const before = machine.kernel.live()
    machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth, code: 'ENOMEM' })
    expect(() => new E1000Driver(device, { descriptors: 8, spares: 2 })).toThrow(
      expect.objectContaining({ code: 'ENOMEM' }),
    )
    expect(device.children.size).toBe(0)
    // The registers stay mapped as long as the device is open.
    expect(machine.kernel.live()).toMatchObject({ descriptors: before.descriptors, watches: before.watches })
    device.close()
    machine.assertQuiescent()
  })

  it('keeps a frame in its place where no other buffer can be mapped', async () => {
    const { machine, driver, send, end } = await started()
    send(1000, 3)
    machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', code: 'ENOMEM' })
    expect(() => driver.takeReceived()).toThrow(expect.objectContaining({ code: 'ENOMEM' }))
    using frame = driver.takeReceived()
    expect(frame).toMatchObject({ copied: false })
    expect(frame!.bytes).toEqual(makeFrame(driver.macBytes, 1000, 3))
    expect(driver.statistics).toMatchObject({ frames: 1, handedUp: 1, copied: 0 })
    end()
  })

  it('lets a frame that was handed up outlive the ring, and takes it back once', async () => {
    const { driver, send, end } = await started({ registered: true, copybreak: 0 })
    send(100)
    const frame = driver.takeReceived()!
    end()
    // The pages are parked: zeros, and no crash.
    expect(frame.bytes.every((byte) => byte === 0)).toBe(true)
    frame.release()
    frame.release()
  })

  it('does not give a buffer out twice where a frame is released twice', async () => {
    const { driver, send, end } = await started({ spares: 1 })
    send(1000, 1)
    const first = driver.takeReceived()!
    first.release()
    first.release()
    send(1000, 2)
    send(1000, 3)
    const second = driver.takeReceived()!
    const third = driver.takeReceived()!
    expect([second.copied, third.copied]).toEqual([false, true])
    expect(second.bytes).toEqual(makeFrame(driver.macBytes, 1000, 2))
    expect(third.bytes).toEqual(makeFrame(driver.macBytes, 1000, 3))
    end()
  })

  it('drops a frame that does not fit into one buffer, and goes on', async () => {
    const card = new E1000Device()
    const { machine, device, driver, send, end } = await started({}, card)
    // Another hand lets long frames in.
    device.bar(0).write32(0x100, device.bar(0).read32(0x100) | 0x20)
    await machine.clock.sleep(1000)
    const long = new Uint8Array(3000)
    long.set(driver.macBytes)
    expect(card.receive(long)).toBe(true)
    send(60, 9)
    using frame = await driver.receive({ timeoutMilliseconds: 10 })
    expect(frame.bytes).toEqual(makeFrame(driver.macBytes, 60, 9))
    expect(driver.statistics).toMatchObject({ dropped: 1, frames: 1 })
    end()
  })

  it('says when more is sent than the card takes', async () => {
    const { driver, send, end } = await started({}, new Mute())
    for (let n = 0; n < 7; n++) send(60)
    expect(() => send(60)).toThrow(expect.objectContaining({ code: 'E1000_TRANSMIT_FULL' }))
    for (const byteLength of [13, 1515]) {
      expect(() => driver.send(new Uint8Array(byteLength))).toThrow(
        expect.objectContaining({ code: 'E1000_LENGTH' }),
      )
    }
    end()
  })

  it('stops waiting when it closes, and when the device does', async () => {
    for (const closing of ['driver', 'device'] as const) {
      const parts = await started()
      const waiting = parts.driver.receive({ timeoutMilliseconds: 1000 })
      const refused = expect(waiting).rejects.toMatchObject({ code: 'DMA_CLOSED' })
      parts[closing].close()
      await refused
      parts.end()
    }
  })
})

it('measures nothing on a clock that stands still, and says so', () => {
  const machine = createFakeMachine()
  machine.addDevice(new E1000Device(), { address: ADDRESS })
  const lines: string[] = []
  calibrate(machine.kernel, ADDRESS, (line) => lines.push(line))
  expect(lines).toContain('mapped      65536 bytes: copybreak 32768, not measured')
  expect(lines).toContain('registered  65536 bytes: copybreak 0, not measured')
  machine.assertQuiescent()
})
