import { cause, type RegisterFile, register, STATUS_LINK_UP } from './e1000-registers'

/** The PHY access register, MDIC. */
const access = {
  dataMask: 0xffff,
  registerShift: 16,
  phyShift: 21,
  write: 0x0400_0000,
  read: 0x0800_0000,
  ready: 0x1000_0000,
  interrupt: 0x2000_0000,
  error: 0x4000_0000,
} as const

/** Registers of the PHY that are known, and whether they can be written. */
const control = 0
const status = 1
const partnerAbility = 5
const writable = new Set([control, 4, 9, 16, 20])
const readable = new Set([...writable, status, 2, 3, partnerAbility, 6, 10, 17, 21])

const CONTROL_RESERVED = 0x3f
const CONTROL_RESTART = 0x0200
const CONTROL_NEGOTIATE = 0x1000
const CONTROL_LOOPBACK = 0x4000
const CONTROL_RESET = 0x8000
const STATUS_LINK = 0x0004
const STATUS_NEGOTIATED = 0x0020
const PARTNER_ACKNOWLEDGED = 0x4000

const NEGOTIATION_MILLISECONDS = 500

/** After power-on: 1000 Mb/s, full duplex, link up, negotiation on but not done. The rest is what QEMU's PHY says. */
const powerOn: Readonly<Record<number, number>> = {
  [control]: 0x1140,
  [status]: 0x794d,
  2: 0x0141,
  3: 0x0c20,
  4: 0x0de1,
  [partnerAbility]: 0x01e0,
  9: 0x0e00,
  10: 0x3c00,
  16: 0x0360,
  17: 0xac00,
  20: 0x0d60,
}

/** The card's PHY, which the driver reaches through one register. */
export class E1000Phy {
  readonly #registers: RegisterFile
  readonly #raise: (causes: number) => void
  readonly #schedule: (milliseconds: number, run: () => void) => void
  readonly #words = new Uint16Array(32)

  constructor(
    registers: RegisterFile,
    raise: (causes: number) => void,
    schedule: (milliseconds: number, run: () => void) => void,
  ) {
    this.#registers = registers
    this.#raise = raise
    this.#schedule = schedule
    this.reset()
  }

  /** Whether what is sent comes back. */
  get loopback(): boolean {
    return (this.#words[control]! & CONTROL_LOOPBACK) !== 0
  }

  reset(): void {
    this.#words.fill(0)
    for (const [index, value] of Object.entries(powerOn)) this.#words[Number(index)] = value
  }

  /** MDIC is written: one access, done at once. */
  access(command: number): void {
    const index = (command >> access.registerShift) & 0x1f
    this.#registers.set(register.phyAccess, (this.#outcome(command, index) | access.ready) >>> 0)
    if ((command & access.interrupt) !== 0) this.#raise(cause.phyAccess)
  }

  #outcome(command: number, index: number): number {
    // The one PHY has address 1.
    if (((command >> access.phyShift) & 0x1f) !== 1)
      return this.#registers.get(register.phyAccess) | access.error
    if ((command & access.read) !== 0) {
      if (!readable.has(index)) return command | access.error
      return (command & ~access.dataMask) | this.#words[index]!
    }
    if ((command & access.write) !== 0) {
      if (!writable.has(index)) return command | access.error
      this.#write(index, command & access.dataMask)
    }
    return command
  }

  #write(index: number, value: number): void {
    if (index !== control) {
      this.#words[index] = value
      return
    }
    this.#words[control] = value & ~(CONTROL_RESERVED | CONTROL_RESET | CONTROL_RESTART)
    if ((value & CONTROL_NEGOTIATE) !== 0 && (value & CONTROL_RESTART) !== 0) this.#negotiate()
  }

  /** The link goes down for half a second. */
  #negotiate(): void {
    const words = this.#words
    this.#registers.change(register.status, { clear: STATUS_LINK_UP })
    words[status] = words[status]! & ~(STATUS_LINK | STATUS_NEGOTIATED)
    words[partnerAbility] = words[partnerAbility]! & ~PARTNER_ACKNOWLEDGED
    this.#schedule(NEGOTIATION_MILLISECONDS, () => {
      this.#registers.change(register.status, { set: STATUS_LINK_UP })
      words[status] = words[status]! | STATUS_LINK | STATUS_NEGOTIATED
      words[partnerAbility] = words[partnerAbility]! | PARTNER_ACKNOWLEDGED
      this.#raise(cause.linkChange)
    })
  }
}
