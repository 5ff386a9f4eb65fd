import type { DmaEngine } from './device-model'
import { cause, type RegisterFile, receiveControl, register, STATUS_LINK_UP } from './e1000-registers'

const DESCRIPTOR_BYTES = 16
const LENGTH_AT = 8
const STATUS_AT = 12
const SPECIAL_AT = 14
const DONE = 0x1
const END = 0x2
const IGNORE_CHECKSUM = 0x4

/** Ethernet's shortest frame, without its checksum: shorter ones are padded. */
const SHORTEST_FRAME = 60
const CHECKSUM_BYTES = 4
/** The longest frame, with a VLAN tag and without its checksum; and the longest one where long ones are let in. */
const LONGEST_FRAME = 1518
const LONGEST_LONG_FRAME = 16380

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
const EXACT_ADDRESSES = 16
const ADDRESS_VALID = 2 ** 31
/** How far the last two bytes of a multicast address are shifted to give its bit in the table, by RCTL.MO. */
const multicastShifts = [4, 3, 2, 0] as const
const MULTICAST_SHIFT_AT = 12
const THRESHOLD_AT = 8

/** What the receiver needs of the card. */
export interface ReceivePort {
  readonly dma: DmaEngine
  raise(causes: number): void
}

/** The receive ring of an e1000, and what it lets in. */
export class E1000Receiver {
  readonly #registers: RegisterFile
  readonly #port: ReceivePort
  /** Nothing is taken for a while after the control register was written. */
  settling = false

  constructor(registers: RegisterFile, port: ReceivePort) {
    this.#registers = registers
    this.#port = port
  }

  /** Takes a frame without checksum. False where the card has no place for it now and did not look at it. */
  receive(frame: Uint8Array): boolean {
    const registers = this.#registers
    const control = registers.get(register.receiveControl)
    const linkUp = (registers.get(register.status) & STATUS_LINK_UP) !== 0
    const enabled = (control & receiveControl.enable) !== 0
    if (!linkUp || !enabled || this.settling || this.#freeDescriptors() === 0) return false
    const padded = new Uint8Array(Math.max(frame.length, SHORTEST_FRAME))
    padded.set(frame)
    if (this.#isTooLong(padded.length, control)) {
      registers.count(register.oversized)
      return true
    }
    if (this.#isWanted(padded, control)) this.#store(padded, control)
    return true
  }

  #isTooLong(byteLength: number, control: number): boolean {
    if ((control & receiveControl.storeBad) !== 0) return false
    if (byteLength > LONGEST_LONG_FRAME) return true
    return byteLength > LONGEST_FRAME && (control & receiveControl.longPackets) === 0
  }

  #isWanted(frame: Uint8Array, control: number): boolean {
    const wantsAll = BROADCAST.every((byte, i) => frame[i] === byte)
      ? receiveControl.broadcast
      : (frame[0]! & 1) !== 0
        ? receiveControl.allMulticast
        : receiveControl.allUnicast
    return (control & wantsAll) !== 0 || this.#isOurs(frame) || this.#isInMulticastTable(frame, control)
  }

  #isOurs(frame: Uint8Array): boolean {
    for (let place = 0; place < EXACT_ADDRESSES; place++) {
      const low = this.#registers.get(register.receiveAddress + place * 8)
      const high = this.#registers.get(register.receiveAddress + place * 8 + 4)
      if (high < ADDRESS_VALID) continue
      const bytes = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8]
      if (bytes.every((byte, i) => (byte & 0xff) === frame[i])) return true
    }
    return false
  }

  #isInMulticastTable(frame: Uint8Array, control: number): boolean {
    const shift = multicastShifts[(control >> MULTICAST_SHIFT_AT) & 3]!
    const bit = (((frame[5]! << 8) | frame[4]!) >> shift) & 0xfff
    return (this.#registers.get(register.multicastTable + (bit >> 5) * 4) & (1 << (bit & 31))) !== 0
  }

  /** Writes a frame into as many buffers as it takes, and each one's descriptor back. */
  #store(frame: Uint8Array, control: number): void {
    const registers = this.#registers
    const keepsChecksum = (control & receiveControl.stripChecksum) === 0
    const total = frame.length + (keepsChecksum ? CHECKSUM_BYTES : 0)
    const bufferBytes = bufferByteLength(control)
    const start = registers.get(register.receiveHead)
    if (total > this.#freeDescriptors() * bufferBytes) {
      this.#overrun()
      return
    }
    for (let done = 0; done < total; ) {
      const byteLength = Math.min(total - done, bufferBytes)
      const filled = this.#fill(frame, done, byteLength, total)
      if (filled === 'unreachable') return
      if (filled === 'filled') done += byteLength
      const next = registers.get(register.receiveHead) + 1
      registers.set(register.receiveHead, next >= this.#descriptors() ? 0 : next)
      if (registers.get(register.receiveHead) === start || start >= this.#descriptors()) {
        this.#overrun()
        return
      }
    }
    registers.count(register.packetsReceived)
    registers.count(register.goodPacketsReceived)
    const threshold = this.#descriptors() >> (((control >> THRESHOLD_AT) & 3) + 1)
    const isLow = this.#freeDescriptors() <= threshold
    this.#port.raise(cause.received | (isLow ? cause.receiveThreshold : 0))
  }

  /**
   * Fills the buffer of the descriptor at the head. One without a buffer is passed over; with bus mastering off there is
   * no descriptor at all.
   * The checksum counts in the length and is not written. The bit that says so is written last of all.
   */
  #fill(
    frame: Uint8Array,
    done: number,
    byteLength: number,
    total: number,
  ): 'filled' | 'empty' | 'unreachable' {
    const registers = this.#registers
    const { dma } = this.#port
    const address =
      registers.address(register.receiveBaseLow) + registers.get(register.receiveHead) * DESCRIPTOR_BYTES
    const descriptor = new Uint8Array(DESCRIPTOR_BYTES).fill(0xff)
    // What the IOMMU refuses reads as zeros; what never reached the bus is as it was.
    if (!dma.read(address, descriptor) && descriptor.every((byte) => byte === 0xff)) return 'unreachable'
    const view = new DataView(descriptor.buffer)
    const buffer = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
    let status = descriptor[STATUS_AT]! & ~DONE
    view.setUint16(SPECIAL_AT, 0, true)
    if (buffer !== 0) {
      dma.write(buffer, frame.subarray(done, done + byteLength))
      view.setUint16(LENGTH_AT, byteLength, true)
      const isLast = done + byteLength >= total
      status = isLast ? status | END | IGNORE_CHECKSUM : status & ~END
    }
    descriptor[STATUS_AT] = status
    dma.write(address, descriptor)
    dma.write(address + STATUS_AT, Uint8Array.of(status | DONE))
    return buffer === 0 ? 'empty' : 'filled'
  }

  #overrun(): void {
    this.#registers.count(register.noBuffers)
    this.#registers.count(register.missedPackets)
    this.#port.raise(cause.receiveOverrun)
  }

  #descriptors(): number {
    return this.#registers.get(register.receiveLength) / DESCRIPTOR_BYTES
  }

  /** Descriptors from head to tail: none where they are equal. */
  #freeDescriptors(): number {
    const head = this.#registers.get(register.receiveHead)
    const tail = this.#registers.get(register.receiveTail)
    return tail >= head ? tail - head : tail + this.#descriptors() - head
  }
}

/** What RCTL says that each buffer holds. */
function bufferByteLength(control: number): number {
  const size = (control >> receiveControl.sizeShift) & 3
  if (size === 0) return 2048
  const isExtended = (control & receiveControl.sizeExtended) !== 0
  return (isExtended ? 32768 : 2048) >> size
}
