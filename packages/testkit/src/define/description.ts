import type { AccessWidth, BarLayout, InterruptLayout, PciIdentity } from '../models/device-model'

/**
 * What a driver's accesses do to a register, or to some bits of it:
 *
 * - `rw`: kept as written
 * - `ro`: writes change nothing
 * - `wo`: reads give zeros
 * - `w1c`: a one that is written clears the bit, as in most interrupt causes
 * - `w1s`: a one that is written sets the bit, a zero leaves it: command bits that the device clears
 * - `rc`: writes change nothing, and a read clears the bits that it gave, as in counters
 *
 * The device's own side may always change all of it.
 */
export type RegisterAccessKind = 'rw' | 'ro' | 'wo' | 'w1c' | 'w1s' | 'rc'

/** Bits of a register: the number of one bit, the lowest and the highest of several, or either with an access of its own. */
export type FieldDescription =
  | number
  | readonly [lowest: number, highest: number]
  | {
      readonly bits: number | readonly [lowest: number, highest: number]
      readonly access?: RegisterAccessKind
    }

/** A register, or an array of registers. */
export interface RegisterDescription {
  /** Bytes from the start of the BAR: a multiple of the register's own length. */
  readonly offset: number
  /** Bits. */
  readonly width: AccessWidth
  /** `rw` by default. */
  readonly access?: RegisterAccessKind
  /** What it holds after power-on and reset; 0 by default. */
  readonly reset?: number | bigint
  /** The byte order of its value; the BAR's by default. */
  readonly endian?: 'little' | 'big'
  /**
   * Names for bits. Where there are any, the others are reserved: they hold what they have after reset, and take no
   * writes. A field is 32 bits wide at most.
   */
  readonly fields?: Readonly<Record<string, FieldDescription>>
  /** Makes it an array of so many registers. */
  readonly count?: number
  /** Bytes from one register of an array to the next; by default they lie side by side. Arrays may be interleaved. */
  readonly stride?: number
  /**
   * Widths of the accesses that it answers: its own, and 32 too for a register of 64 bits, which drivers often access by
   * halves. Narrower accesses reach the part of the value that they cover.
   */
  readonly accepts?: readonly AccessWidth[]
}

/** A piece of memory on the device: any aligned access of up to 64 bits reaches it. */
export interface WindowDescription {
  /** Bytes from the start of the BAR. */
  readonly offset: number
  readonly byteLength: number
  /** Whether a driver may write to it; `rw` by default. */
  readonly access?: 'rw' | 'ro'
}

/** A BAR, and what is in it. */
export interface BarDescription extends BarLayout {
  readonly registers?: Readonly<Record<string, RegisterDescription>>
  readonly windows?: Readonly<Record<string, WindowDescription>>
  /** The byte order of its registers; `little` by default. */
  readonly endian?: 'little' | 'big'
  /** What is read where nothing is described; `zeros` by default. */
  readonly undescribed?: 'zeros' | 'ones'
}

/** A device, as a data sheet has it: what it is, and what registers it has. What they do is its {@link Behaviour}. */
export interface DeviceDescription {
  /** For messages and for `machine.log`. */
  readonly name: string
  readonly identity: PciIdentity
  /** At least one; names of registers and windows are unique over all of them. */
  readonly bars: readonly BarDescription[]
  readonly interrupts?: InterruptLayout
  /** Whether the function can be reset (VFIO_DEVICE_RESET); true by default. */
  readonly resettable?: boolean
  /**
   * Address bits that its DMA engine drives, 1 to 64: those above are dropped, and the access goes to what lies at the address that
   * is left, with a line in `machine.log`. All of them by default.
   */
  readonly dmaMaskBits?: number
}
