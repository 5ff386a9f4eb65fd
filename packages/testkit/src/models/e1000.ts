import { checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import { type AccessWidth, DeviceModel } from './device-model'
import { E1000Interrupts } from './e1000-interrupts'
import { E1000Phy } from './e1000-phy'
import { E1000Receiver } from './e1000-receive'
import { RegisterFile, register, registerNames } from './e1000-registers'
import { E1000Transmitter } from './e1000-transmit'

const DEVICE_ID = 0x100e
const VENDOR_ID = 0x8086
const CONTROL_RESET = 0x0400_0000
const ADDRESS_VALID = 0x8000_0000

/** A ring's length is a multiple of 128 bytes, of less than a mebibyte. */
const LENGTH_MASK = 0xf_ff80

const EEPROM_WORDS = 64
const EEPROM_CHECKSUM_AT = 63
/** What all of the words add up to. */
const EEPROM_SUM = 0xbaba
const EEPROM_START = 0x01
const EEPROM_DONE = 0x10

/** For so long after the receive control was written QEMU's card takes nothing: it lets a queue of its own empty first. */
const SETTLE_MILLISECONDS = 1000

/** After power-on: 1000 Mb/s, full duplex, link up. */
const powerOn: Readonly<Record<number, number>> = {
  [register.control]: 0x0014_0240,
  [register.status]: 0x8008_0783,
  [register.packetBuffer]: 0x0010_0030,
}

/** Registers that read as written. */
const plain: ReadonlySet<number> = new Set([
  register.packetBuffer,
  register.eepromRead,
  register.interruptThrottle,
  register.receiveBaseLow,
  register.receiveBaseHigh,
  register.transmitBaseLow,
  register.transmitBaseHigh,
])

/** Counters that start again when they are read. */
const counters: ReadonlySet<number> = new Set([
  register.goodPacketsReceived,
  register.goodPacketsTransmitted,
  register.oversized,
  register.packetsReceived,
  register.packetsTransmitted,
])

/** How an {@link E1000Device} is built. */
export interface E1000Options {
  /** Six bytes. `52:54:00:12:34:56` by default, as the first card of QEMU. */
  macAddress?: readonly number[]
  /** Told of each frame that is sent on the wire, without its checksum. In PHY loopback none is. */
  onTransmit?: (frame: Uint8Array) => void
}

/** The BAR in memory space: the other one is of I/O ports. */
const REGISTERS = 0

/**
 * Intel's 82540EM (PCI 8086:100e) as QEMU emulates it: a receive and a transmit ring of legacy descriptors, PHY
 * loopback, INTx with its throttle, EEPROM, exact, multicast and broadcast filters.
 *
 * Not modelled: VLAN tags, checksum and segmentation offloads, the bit-banged EEPROM, wake-up. The I/O ports read as zeros
 * and take nothing, as QEMU's.
 */
export class E1000Device extends DeviceModel {
  override readonly identity = {
    vendor: VENDOR_ID,
    device: DEVICE_ID,
    revision: 0x03,
    classCode: 0x020000,
    subsystemVendor: 0x1af4,
    subsystemDevice: 0x1100,
  }
  override readonly bars = [{ byteLength: 0x20000 }, { byteLength: 0x40, kind: 'io' as const }]
  override readonly interrupts = { pin: true }
  readonly #macAddress: readonly number[]
  readonly #onTransmit: (frame: Uint8Array) => void
  readonly #eeprom = new Uint16Array(EEPROM_WORDS)
  readonly #registers = new RegisterFile()
  readonly #interrupts: E1000Interrupts
  readonly #phy: E1000Phy
  readonly #transmitter: E1000Transmitter
  readonly #receiver: E1000Receiver
  /** Counts the writes of the receive control, so that only the last one's delay ends it. */
  #settles = 0

  constructor(options: E1000Options = {}) {
    super()
    checkOptionNames(options, ['macAddress', 'onTransmit'], 'E1000Device')
    const { macAddress = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56], onTransmit = () => {} } = options
    if (macAddress.length !== 6 || !macAddress.every((byte) => (byte & 0xff) === byte)) {
      invalidArgument('macAddress is six bytes')
    }
    this.#macAddress = [...macAddress]
    this.#onTransmit = onTransmit
    const raise = (causes: number) => this.#interrupts.raise(causes)
    const schedule = (milliseconds: number, run: () => void) => void this.schedule(milliseconds, run)
    this.#interrupts = new E1000Interrupts(this.#registers, {
      setLevel: (asserted) => this.setInterruptLevel(asserted),
      schedule,
    })
    this.#phy = new E1000Phy(this.#registers, raise, schedule)
    this.#receiver = new E1000Receiver(this.#registers, { dma: this.dma, raise })
    this.#transmitter = new E1000Transmitter(this.#registers, {
      dma: this.dma,
      raise,
      send: (frame) => this.#send(frame),
      log: (message) => this.log(message),
    })
    this.#fillEeprom()
    this.reset()
  }

  /**
   * A frame comes from the wire, without its checksum.
   * @returns false where the card has no place for it now: the link is down, the receiver off, or the ring empty
   */
  receive(frame: Uint8Array): boolean {
    return this.#receiver.receive(frame)
  }

  override accepts(bar: number, _byteOffset: number, width: AccessWidth): boolean {
    return bar === REGISTERS && width === 32
  }

  override registerName(bar: number, byteOffset: number): string | undefined {
    return bar === REGISTERS ? registerNames.get(byteOffset) : undefined
  }

  override read(_bar: number, byteOffset: number): number {
    const registers = this.#registers
    if (byteOffset === register.interruptCause) return this.#interrupts.takeCauses()
    if (byteOffset === register.interruptMaskClear) return 0
    if (byteOffset === register.eepromRead) return this.#readEeprom()
    if (counters.has(byteOffset)) return registers.take(byteOffset)
    return registers.get(byteOffset)
  }

  override write(_bar: number, byteOffset: number, _width: AccessWidth, written: number | bigint): void {
    const registers = this.#registers
    const value = Number(written)
    switch (byteOffset) {
      case register.control:
        // The reset ends at once, and QEMU's changes nothing.
        registers.set(byteOffset, (value & ~CONTROL_RESET) >>> 0)
        break
      case register.phyAccess:
        this.#phy.access(value)
        break
      case register.interruptCause:
        this.#interrupts.acknowledge(value)
        break
      case register.interruptCauseSet:
        this.#interrupts.raise(value)
        break
      case register.interruptMaskSet:
        this.#interrupts.changeMask({ set: value })
        break
      case register.interruptMaskClear:
        this.#interrupts.changeMask({ clear: value })
        break
      case register.receiveControl:
        registers.set(byteOffset, value)
        this.#settle()
        break
      case register.receiveLength:
      case register.transmitLength:
        registers.set(byteOffset, value & LENGTH_MASK)
        break
      case register.receiveHead:
      case register.receiveTail:
      case register.transmitHead:
        registers.set(byteOffset, value & 0xffff)
        break
      case register.transmitTail:
        registers.set(byteOffset, value & 0xffff)
        this.#transmitter.run()
        break
      case register.transmitControl:
        registers.set(byteOffset, value)
        this.#transmitter.run()
        break
      default:
        if (plain.has(byteOffset) || isFilter(byteOffset)) registers.set(byteOffset, value)
    }
  }

  override reset(): void {
    const registers = this.#registers
    registers.clear()
    for (const [byteOffset, value] of Object.entries(powerOn)) registers.set(Number(byteOffset), value)
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.#macAddress
    registers.set(register.receiveAddress, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0)
    registers.set(register.receiveAddress + 4, (e | (f << 8) | ADDRESS_VALID) >>> 0)
    this.#phy.reset()
    this.#transmitter.reset()
  }

  #send(frame: Uint8Array): void {
    // What comes back and finds no place is lost, and no counter tells.
    if (this.#phy.loopback) this.#receiver.receive(frame)
    else this.#onTransmit(frame)
  }

  #settle(): void {
    const turn = ++this.#settles
    this.#receiver.settling = true
    this.schedule(SETTLE_MILLISECONDS, () => {
      if (turn === this.#settles) this.#receiver.settling = false
    })
  }

  /** The card's own address in the first three words, and a checksum in the last; the rest is left empty. */
  #fillEeprom(): void {
    const words = this.#eeprom
    for (let word = 0; word < 3; word++) {
      words[word] = this.#macAddress[word * 2]! | (this.#macAddress[word * 2 + 1]! << 8)
    }
    words[11] = DEVICE_ID
    words[13] = DEVICE_ID
    words[EEPROM_CHECKSUM_AT] = EEPROM_SUM - words.reduce((sum, word) => sum + word, 0)
  }

  /** What was asked for last, with the word in the upper half. */
  #readEeprom(): number {
    const asked = this.#registers.get(register.eepromRead)
    if ((asked & EEPROM_START) === 0) return asked
    const word = this.#eeprom[(asked & ~EEPROM_START) >>> 8] ?? 0
    return ((asked & ~EEPROM_START) | EEPROM_DONE | (word << 16)) >>> 0
  }
}

/** Whether an offset lies in the tables of the receive filter. */
function isFilter(byteOffset: number): boolean {
  return (
    (byteOffset >= register.multicastTable && byteOffset < register.multicastTable + 512) ||
    (byteOffset >= register.receiveAddress && byteOffset < register.receiveAddress + 128)
  )
}
