/** Offsets of the e1000's registers in BAR 0, in bytes: Intel's 8254x software developer's manual, chapter 13. */
export const register = {
  control: 0x0000,
  status: 0x0008,
  eepromRead: 0x0014,
  phyAccess: 0x0020,
  interruptCause: 0x00c0,
  interruptThrottle: 0x00c4,
  interruptCauseSet: 0x00c8,
  interruptMaskSet: 0x00d0,
  interruptMaskClear: 0x00d8,
  receiveControl: 0x0100,
  transmitControl: 0x0400,
  packetBuffer: 0x1000,
  receiveBaseLow: 0x2800,
  receiveBaseHigh: 0x2804,
  receiveLength: 0x2808,
  receiveHead: 0x2810,
  receiveTail: 0x2818,
  transmitBaseLow: 0x3800,
  transmitBaseHigh: 0x3804,
  transmitLength: 0x3808,
  transmitHead: 0x3810,
  transmitTail: 0x3818,
  missedPackets: 0x4010,
  goodPacketsReceived: 0x4074,
  goodPacketsTransmitted: 0x4080,
  noBuffers: 0x40a0,
  oversized: 0x40ac,
  packetsReceived: 0x40d0,
  packetsTransmitted: 0x40d4,
  multicastTable: 0x5200,
  receiveAddress: 0x5400,
} as const

/** What they are called, by offset. */
export const registerNames: ReadonlyMap<number, string> = new Map(
  Object.entries(register).map(([name, byteOffset]) => [byteOffset, name]),
)

/** Bits of STATUS. */
export const STATUS_LINK_UP = 0x2

/** Bits of RCTL. */
export const receiveControl = {
  enable: 0x0000_0002,
  storeBad: 0x0000_0004,
  allUnicast: 0x0000_0008,
  allMulticast: 0x0000_0010,
  longPackets: 0x0000_0020,
  broadcast: 0x0000_8000,
  sizeShift: 16,
  sizeExtended: 0x0200_0000,
  stripChecksum: 0x0400_0000,
} as const

/** Of TCTL: transmit. */
export const TRANSMIT_ENABLE = 0x2

/** Causes of an interrupt: bits of ICR, ICS, IMS and IMC. */
export const cause = {
  transmitWrittenBack: 0x01,
  transmitQueueEmpty: 0x02,
  linkChange: 0x04,
  receiveThreshold: 0x10,
  receiveOverrun: 0x40,
  received: 0x80,
  phyAccess: 0x200,
} as const

/** The last of the manual's registers that is modelled lies below this; QEMU decodes as much. */
const DECODED_BYTES = 0x2_0000

/** The registers' contents, by byte offset. */
export class RegisterFile {
  readonly #words = new Uint32Array(DECODED_BYTES / 4)

  get(byteOffset: number): number {
    return this.#words[byteOffset >> 2]!
  }

  set(byteOffset: number, value: number): void {
    this.#words[byteOffset >> 2] = value
  }

  /** Sets and clears bits. */
  change(byteOffset: number, { set = 0, clear = 0 }: { set?: number; clear?: number }): void {
    this.set(byteOffset, (this.get(byteOffset) & ~clear) | set)
  }

  /** Adds one to a counter, which stops at its highest value. */
  count(byteOffset: number): void {
    const value = this.get(byteOffset)
    if (value !== 0xffff_ffff) this.set(byteOffset, value + 1)
  }

  /** What a register holds, which is gone afterwards. */
  take(byteOffset: number): number {
    const value = this.get(byteOffset)
    this.set(byteOffset, 0)
    return value
  }

  /** A 64-bit address whose low half is at `byteOffset`; rings are aligned to 16 bytes. */
  address(byteOffset: number): number {
    return this.get(byteOffset + 4) * 2 ** 32 + ((this.get(byteOffset) & ~0xf) >>> 0)
  }

  clear(): void {
    this.#words.fill(0)
  }
}
