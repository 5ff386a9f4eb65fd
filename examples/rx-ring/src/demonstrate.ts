import { DmaError, type Kernel } from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { E1000Driver, type E1000Options } from './e1000-driver'
import { checkFrame, makeFrame } from './frames'
import * as e1000 from './registers'

const RING = 16
const BURST = 8
const FRAMES = 64
/** Lengths that lie on either side of the copybreak of 256 bytes, from the shortest frame to the longest. */
const LENGTHS = [60, 61, 128, 255, 256, 257, 1024, 1514] as const
const TIMEOUT = { timeoutMilliseconds: 5000 }

/**
 * Puts an e1000 through everything that the driver does, by its own loopback, and says what came out. It knows nothing of
 * whether the kernel it is given is a real one.
 * @throws E1000_WRONG as soon as something is not as it should be
 */
export async function demonstrate(
  kernel: Kernel,
  address: string,
  print: (line: string) => void,
): Promise<void> {
  const before = kernel.live()
  {
    using device = openVfioDevice(address, { kernel })
    await identify(device, print)
    await receive(device, print, 'mapped', { registered: false, copybreak: 256 })
    await receive(device, print, 'registered', { registered: true, copybreak: 0 })
    await exhaust(device, print)
    await receiveLong(device, print)
  }
  const after = kernel.live()
  const descriptors = after.descriptors - before.descriptors
  const mappings = after.mappings - before.mappings
  print(`shutdown    ${descriptors} descriptors and ${mappings} mappings left`)
  expect(descriptors === 0 && mappings === 0, 'something was left open')
}

function expect(right: boolean, otherwise: string): void {
  if (!right) throw new DmaError('E1000_WRONG', otherwise)
}

async function identify(device: VfioDevice, print: (line: string) => void): Promise<void> {
  using driver = new E1000Driver(device, { descriptors: RING })
  print(`identify    82540EM at ${device.address}, ${driver.macAddress}`)
  const eeprom = await driver.readEeprom()
  const sum = eeprom.reduce((total, word) => (total + word) & 0xffff, 0)
  expect(sum === e1000.EEPROM_SUM, `the EEPROM adds up to 0x${sum.toString(16)}`)
  const same = driver.macBytes.every((byte, i) => byte === ((eeprom[i >> 1]! >> ((i & 1) * 8)) & 0xff))
  expect(same, 'the EEPROM has another address')
  print('eeprom      checksum right, the same address')
  await driver.start({ loopback: true })
  expect(driver.linkUp, 'the link is down')
  print(`loopback    link up, full duplex, told by ${driver.interruptKind}`)
}

/** Frames of all lengths, in bursts, four times round the ring, each compared byte by byte. */
async function receive(
  device: VfioDevice,
  print: (line: string) => void,
  how: string,
  options: E1000Options,
): Promise<void> {
  using driver = new E1000Driver(device, { ...options, descriptors: RING })
  await driver.start({ loopback: true })
  for (let first = 0; first < FRAMES; first += BURST) {
    for (let n = first; n < first + BURST; n++) {
      driver.send(makeFrame(driver.macBytes, LENGTHS[n % LENGTHS.length]!, n))
    }
    for (let n = first; n < first + BURST; n++) {
      using frame = await driver.receive(TIMEOUT)
      const length = LENGTHS[n % LENGTHS.length]!
      const wrong = checkFrame(frame.bytes, driver.macBytes, length, n)
      expect(wrong === undefined, `frame ${n}: ${wrong}`)
      expect(
        frame.copied === length <= options.copybreak!,
        `frame ${n} of ${length} bytes went the wrong way`,
      )
    }
  }
  const { frames, bytes, copied, handedUp } = driver.statistics
  const { received, sent } = driver.readCounters()
  expect(received === frames && sent === frames, `the card counts ${sent} sent and ${received} received`)
  print(
    `${how.padEnd(11)} copybreak ${options.copybreak}: ${frames} frames, ${bytes} bytes, every one equal: ` +
      `${copied} copied, ${handedUp} handed up`,
  )
}

/** More frames than buffers: what does not fit is lost, and it goes on once buffers come back. */
async function exhaust(device: VfioDevice, print: (line: string) => void): Promise<void> {
  using driver = new E1000Driver(device, { descriptors: RING, spares: 4, copybreak: 256 })
  await driver.start({ loopback: true })
  const sent = RING + 4
  for (let n = 0; n < sent; n++) driver.send(makeFrame(driver.macBytes, 1000, n))
  const kept = []
  for (let frame = driver.takeReceived(); frame; frame = driver.takeReceived()) kept.push(frame)
  const card = driver.readCounters()
  expect(card.sent === sent && card.received === kept.length, `the card counts ${card.received} received`)
  print(
    `full        ${sent} frames for ${RING - 1} buffers: ${kept.length} came, ${sent - kept.length} are lost`,
  )
  const { handedUp, copied, withoutSpare } = driver.statistics
  expect(copied === withoutSpare, 'a long frame was copied although there was a spare buffer')
  print(`spares      ${handedUp} handed up, ${withoutSpare} copied since no spare buffer was left`)
  for (const [n, frame] of kept.entries()) {
    const wrong = checkFrame(frame.bytes, driver.macBytes, 1000, n)
    expect(wrong === undefined, `frame ${n}, kept until now: ${wrong}`)
    frame.release()
  }
  driver.send(makeFrame(driver.macBytes, 1000, sent))
  using frame = await driver.receive(TIMEOUT)
  expect(!frame.copied, 'the buffers did not come back')
  print('again       buffers given back, and it goes on')
}

/** A frame that fills a buffer of four pages but for a few bytes. */
async function receiveLong(device: VfioDevice, print: (line: string) => void): Promise<void> {
  using driver = new E1000Driver(device, { descriptors: 8, spares: 8, bufferByteLength: 16384 })
  await driver.start({ loopback: true })
  const length = driver.longestFrame
  driver.send(makeFrame(driver.macBytes, length, 7))
  using frame = await driver.receive(TIMEOUT)
  const wrong = checkFrame(frame.bytes, driver.macBytes, length, 7)
  expect(wrong === undefined, `the long frame: ${wrong}`)
  print(`long        a frame of ${length} bytes in one buffer of 16384`)
}
