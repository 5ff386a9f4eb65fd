import {
  closeAll,
  DmaError,
  dmaBitMask,
  dmaSetMaskAndCoherent,
  type InterruptStream,
  type IoRegion,
} from '@linux-dma/core'
import type { VfioDevice } from '@linux-dma/vfio'
import { type ReceiveOptions, ReceiveRing, type ReceiveStatistics } from './receive-ring'
import type { ReceivedFrame } from './received-frame'
import * as e1000 from './registers'
import { TransmitRing } from './transmit-ring'

/** How to drive the card; what is not given has the default of {@link defaults}. */
export type E1000Options = Partial<ReceiveOptions>

const defaults: ReceiveOptions = {
  descriptors: 32,
  bufferByteLength: 2048,
  spares: 32,
  copybreak: 256,
  registered: false,
}

/** For so long after its receiver was turned on QEMU's card takes nothing; a link takes as long to come up. */
const SETTLE_MILLISECONDS = 1100
const PHY_MILLISECONDS = 100
/** What a register reads as where no card answers any more. */
const NOBODY = 0xffff_ffff

/** A driver for the 82540EM: one receive ring, one transmit ring, INTx. */
export class E1000Driver implements Disposable {
  readonly device: VfioDevice
  readonly #registers: IoRegion
  readonly #interrupts: InterruptStream
  readonly #receive: ReceiveRing
  readonly #transmit: TransmitRing
  readonly #longest: number
  readonly #bufferByteLength: number

  /** Takes an open device over: checks what it is, silences it, and gives it its rings. */
  constructor(device: VfioDevice, options: E1000Options = {}) {
    this.device = device
    if (device.vendorId !== e1000.VENDOR_ID || device.deviceId !== e1000.DEVICE_ID) {
      throw new DmaError('E1000_NOT_FOUND', `${device.address} is no 82540EM`, {
        hint: 'in QEMU: -device e1000',
      })
    }
    const all = { ...defaults, ...options }
    const { bufferByteLength } = all
    if (!e1000.RECEIVE_BUFFER_SIZES.has(bufferByteLength) || all.descriptors % 8 !== 0) {
      throw new DmaError('E1000_OPTION', 'buffers are of 2, 4, 8 or 16 KiB, descriptors a multiple of 8')
    }
    this.#bufferByteLength = bufferByteLength
    this.#longest =
      bufferByteLength === 2048
        ? e1000.LONGEST_FRAME
        : Math.min(bufferByteLength - 18, e1000.LONGEST_LONG_FRAME)
    this.#registers = device.bar(0)
    // Rings of an earlier user may still be set up, with addresses that mean something else now.
    this.#silence()
    dmaSetMaskAndCoherent(device, dmaBitMask(32))
    device.setMaster()
    this.#interrupts = device.interrupts()
    let receive: ReceiveRing | undefined
    try {
      receive = new ReceiveRing(device, this.#registers, all)
      this.#receive = receive
      this.#transmit = new TransmitRing(device, this.#registers, all.descriptors, bufferByteLength)
    } catch (error) {
      receive?.[Symbol.dispose]()
      this.#interrupts.close()
      throw error
    }
  }

  /** The card's address, as `52:54:00:12:34:56`. */
  get macAddress(): string {
    return this.macBytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  }

  /** The six bytes of the card's address, from the receive filter. */
  get macBytes(): number[] {
    const low = this.#registers.read32(e1000.ADDRESS_LOW)
    const high = this.#registers.read32(e1000.ADDRESS_HIGH)
    return [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8].map((byte) => byte & 0xff)
  }

  /** All words of the EEPROM, which the card got its address from. */
  async readEeprom(): Promise<Uint16Array> {
    const words = new Uint16Array(e1000.EEPROM_WORDS)
    for (let word = 0; word < words.length; word++) {
      this.#registers.write32(e1000.EEPROM_READ, (word << e1000.EEPROM_WORD_SHIFT) | e1000.EEPROM_START)
      const value = await this.#registers.pollUntil(
        e1000.EEPROM_READ,
        (read) => (read & e1000.EEPROM_DONE) !== 0,
        { timeoutMilliseconds: 100 },
      )
      words[word] = value >>> e1000.EEPROM_DATA_SHIFT
    }
    return words
  }

  /** Whether the link is up, in full duplex. */
  get linkUp(): boolean {
    const wanted = e1000.STATUS_LINK_UP | e1000.STATUS_FULL_DUPLEX
    return (this.#registers.read32(e1000.STATUS) & wanted) === wanted
  }

  /** How the card tells that something came. */
  get interruptKind(): string {
    return this.#interrupts.kind.toUpperCase()
  }

  get statistics(): Readonly<ReceiveStatistics> {
    return this.#receive.statistics
  }

  /** Bytes in the longest frame, without its checksum. */
  get longestFrame(): number {
    return this.#longest
  }

  /** The card's own counters since they were read last: frames received, and frames sent. */
  readCounters(): { received: number; sent: number } {
    return {
      received: this.#registers.read32(e1000.PACKETS_RECEIVED),
      sent: this.#registers.read32(e1000.PACKETS_TRANSMITTED),
    }
  }

  /**
   * Turns receiver, transmitter and interrupts on.
   * @param options.loopback whether what is sent comes back, and nothing goes out or comes in
   */
  async start({ loopback }: { loopback: boolean }): Promise<void> {
    const registers = this.#registers
    await this.#writePhy(
      e1000.PHY_CONTROL,
      loopback ? e1000.PHY_CONTROL_LOOPBACK : e1000.PHY_CONTROL_NEGOTIATE,
    )
    this.#receive.start()
    const size = e1000.RECEIVE_BUFFER_SIZES.get(this.#bufferByteLength)!
    const long = this.#longest > e1000.LONGEST_FRAME ? e1000.RECEIVE_LONG : 0
    registers.write32(
      e1000.RECEIVE_CONTROL,
      e1000.RECEIVE_ENABLE | e1000.RECEIVE_BROADCAST | e1000.RECEIVE_STRIP_CHECKSUM | size | long,
    )
    registers.write32(e1000.TRANSMIT_CONTROL, e1000.TRANSMIT_ENABLE | e1000.TRANSMIT_PAD_SHORT)
    await this.device.kernel.clock.sleep(SETTLE_MILLISECONDS)
    this.readCounters()
    registers.read32(e1000.INTERRUPT_CAUSE)
    registers.write32(e1000.INTERRUPT_MASK_SET, e1000.CAUSE_RECEIVED | e1000.CAUSE_OVERRUN)
  }

  /**
   * Sends a frame: destination, source, type, payload.
   * @throws E1000_LENGTH, E1000_TRANSMIT_FULL
   */
  send(frame: Uint8Array): void {
    if (frame.length < 14 || frame.length > this.#longest) {
      throw new DmaError(
        'E1000_LENGTH',
        `a frame of ${frame.length} bytes: 14 to ${this.#longest} can be sent`,
      )
    }
    this.#transmit.send(frame)
  }

  /** A frame that is there already; undefined where there is none. */
  takeReceived(): ReceivedFrame | undefined {
    return this.#receive.take()
  }

  /** The next frame. @throws ETIMEDOUT; E1000_SILENT where only interrupts come; E1000_GONE */
  async receive(options: { timeoutMilliseconds: number }): Promise<ReceivedFrame> {
    const { clock } = this.device.kernel
    const deadline = clock.now() + options.timeoutMilliseconds
    for (;;) {
      // The ring is looked at before the wait: an interrupt tells of all that came before it was acknowledged.
      const frame = this.#receive.take()
      if (frame) return frame
      const error = await this.#interrupt(options)
      // All causes at once are none: that is how the bus reads where nobody answers.
      if (this.#registers.read32(e1000.INTERRUPT_CAUSE) === NOBODY) {
        throw new DmaError('E1000_GONE', `${this.device.address} does not answer any more`)
      }
      // A frame whose interrupt was lost is there all the same: only a ring that stays empty is an error.
      const late = this.#receive.take()
      if (late) return late
      if (error !== undefined) throw error
      if (clock.now() >= deadline) {
        throw new DmaError('E1000_SILENT', `${this.device.address} interrupts, and no frame comes`)
      }
    }
  }

  /** The next interrupt; or why there is none, which is not known before the card was looked at. */
  async #interrupt(options: { timeoutMilliseconds: number }): Promise<unknown> {
    try {
      await this.#interrupts.wait(options)
      return undefined
    } catch (error) {
      if (this.device.closed || this.#interrupts.closed) throw error
      return error
    }
  }

  /** Stops the card, then takes its memory back. The device itself stays open. */
  close(): void {
    closeAll([
      () => {
        if (!this.device.closed) this.#silence()
      },
      () => {
        if (!this.device.closed) this.device.clearMaster()
      },
      () => this.#interrupts.close(),
      () => this.#transmit[Symbol.dispose](),
      () => this.#receive[Symbol.dispose](),
    ])
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** No interrupt, no transfer, whatever was going on. */
  #silence(): void {
    const registers = this.#registers
    registers.write32(e1000.INTERRUPT_MASK_CLEAR, 0xffff_ffff)
    registers.write32(e1000.RECEIVE_CONTROL, 0)
    registers.write32(e1000.TRANSMIT_CONTROL, 0)
    registers.read32(e1000.INTERRUPT_CAUSE)
  }

  /** Writes a register of the PHY, and waits until the card has passed it on. */
  async #writePhy(index: number, value: number): Promise<void> {
    this.#registers.write32(
      e1000.PHY_ACCESS,
      e1000.PHY_WRITE | e1000.PHY_ADDRESS | (index << e1000.PHY_REGISTER_SHIFT) | value,
    )
    const answer = await this.#registers.pollUntil(
      e1000.PHY_ACCESS,
      (access) => (access & e1000.PHY_READY) !== 0,
      { timeoutMilliseconds: PHY_MILLISECONDS },
    )
    if ((answer & e1000.PHY_ERROR) !== 0) {
      throw new DmaError('E1000_PHY', `the PHY did not take register ${index}`)
    }
  }
}
