import { DmaError } from '@linux-dma/native'
import type { FakeClock, ScheduledEvent } from '../clock'
import type { Random } from '../prng'

/** Bits in one register access. */
export type AccessWidth = 8 | 16 | 32 | 64

/** What a device says it is, in its configuration space. */
export interface PciIdentity {
  /** 16 bits. */
  readonly vendor: number
  /** 16 bits. */
  readonly device: number
  /** 8 bits; 0 by default. */
  readonly revision?: number
  /** 24 bits; 0xff0000 (unassigned class) by default. */
  readonly classCode?: number
  /** 16 bits; 0 by default. */
  readonly subsystemVendor?: number
  /** 16 bits; 0 by default. */
  readonly subsystemDevice?: number
}

/** A BAR: registers in memory space, or I/O ports. */
export interface BarLayout {
  /** Bytes: a power of two, 16 or more in memory space, 4 to 256 for I/O ports. */
  readonly byteLength: number
  /** `memory` by default. */
  readonly kind?: 'memory' | 'io'
  /** 0 to 5; by default the place in the list. A 64-bit BAR takes the next index too. */
  readonly index?: number
  /** 32 by default. */
  readonly addressWidth?: 32 | 64
  readonly prefetchable?: boolean
}

/** How a device can interrupt. */
export interface InterruptLayout {
  /** Whether it has the INTA# pin; true by default. */
  readonly pin?: boolean
  /**
   * Whether the pin can be switched off in the command register (PCI 2.3); true by default. uio_pci_generic refuses a
   * device where it cannot.
   */
  readonly pinMaskable?: boolean
  /** MSI vectors: 1, 2, 4, 8, 16 or 32; none by default. */
  readonly msi?: number
  /** MSI-X: 1 to 2048 vectors, and the BAR that holds table and pending bits. */
  readonly msix?: {
    readonly vectors: number
    readonly bar: number
    readonly tableOffset?: number
    readonly pendingOffset?: number
  }
}

/** What the fake machine gives to a device that is plugged in. */
export interface DeviceSlot {
  /** PCI address, such as `0000:00:04.0`, or the name of a platform device, such as `edu.0`. */
  readonly address: string
  readonly clock: FakeClock
  readonly random: Random
  /** Whether the device was pulled out. */
  readonly removed: boolean
  transfer(
    address: number | bigint,
    bytes: Uint8Array,
    direction: 'read' | 'write',
    burst?: DmaBurst,
  ): boolean
  raiseInterrupt(vector: number): void
  setInterruptLevel(asserted: boolean): void
  log(message: string): void
}

/** What else is known of an access to memory. */
export interface DmaBurst {
  /**
   * Whether it goes on where the one before ended, as a burst of the same transfer: past the end of what is mapped is then told of, too,
   * where a burst ends with it. False by default.
   */
  readonly continues?: boolean | undefined
}

/** A transfer that a device has been told to do and has not done yet. */
export interface PendingTransfer {
  /** Bus address of the first byte that is left. */
  readonly address: number | bigint
  /** Bytes that are left. */
  readonly byteLength: number
  /** Seen from the device. */
  readonly direction: 'read' | 'write'
}

/** How a device reaches the machine's memory. */
export interface DmaEngine {
  /**
   * Fills `bytes` from bus address `address` on. What the IOMMU does not let through reads as zeros and is recorded
   * in `machine.faults`. Returns whether all bytes came; with bus mastering off none does, and `bytes` is untouched.
   */
  read(address: number | bigint, bytes: Uint8Array, burst?: DmaBurst): boolean
  /** Writes `bytes` to bus address `address` on, as far as the IOMMU lets it. Returns whether all bytes went. */
  write(address: number | bigint, bytes: Uint8Array, burst?: DmaBurst): boolean
}

/**
 * A fake device: registers, a DMA engine and interrupts. Subclass it, say what the device is and what its registers do,
 * and plug it in with `machine.addDevice(new MyDevice())`, or as a platform device with `machine.addPlatformDevice()`.
 *
 * Like hardware, a model sees memory only by bus address and time only through `schedule`: it must use no timer and
 * no clock of its own, or tests stop being repeatable.
 */
export abstract class DeviceModel {
  abstract readonly identity: PciIdentity
  readonly bars: readonly BarLayout[] = []
  readonly interrupts: InterruptLayout = {}
  /** Whether the function can be reset (VFIO_DEVICE_RESET); then `reset()` is called. */
  readonly resettable: boolean = false
  /**
   * Address bits that its DMA engine drives, 1 to 64: those above are dropped, and the access goes to what lies at the address that
   * is left, with a line in `machine.log`. All of them by default.
   */
  readonly dmaMaskBits?: number | undefined
  #slot: DeviceSlot | undefined

  /** What kind of device it is, for names and messages: that of its class, without `Device`. */
  get kind(): string {
    return this.constructor.name.replace(/^_+|Device$/g, '')
  }

  /** PCI address where it is plugged in, such as `0000:00:04.0`, or name of the platform device. @throws `DMA_NOT_ATTACHED` */
  get address(): string {
    return this.slot.address
  }

  /**
   * Which widths a register takes. An access of another width does not reach the model: it reads as zeros when it is
   * narrower than all that is taken, as ones when it is wider, and is lost when it is a write.
   */
  accepts(_bar: number, _byteOffset: number, _width: AccessWidth): boolean {
    return true
  }

  /** What a register is called, for traces and reports; undefined where it has no name. */
  registerName(_bar: number, _byteOffset: number): string | undefined {
    return undefined
  }

  /** A register is read. A bigint matters for 64 bits only. */
  abstract read(bar: number, byteOffset: number, width: AccessWidth): number | bigint

  /** A register is written: `value` is a bigint when `width` is 64, else an unsigned number. */
  abstract write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void

  /** Goes back to the state after power-on. */
  reset(): void {}

  /** What it has been told to transfer and has not done yet: who unmaps that is told so. Nothing by default. */
  pendingTransfers(): readonly PendingTransfer[] {
    return []
  }

  /** Plugs the model into a machine: called by `machine.addDevice`. @throws `DMA_ALREADY_ATTACHED` */
  attach(slot: DeviceSlot): void {
    if (this.#slot !== undefined) {
      throw new DmaError(
        'DMA_ALREADY_ATTACHED',
        `this device is plugged in as ${this.#slot.address} already`,
        {
          hint: 'make a new device model for each machine.addDevice()',
        },
      )
    }
    this.#slot = slot
  }

  /** Takes the model back from a machine that could not have it: called by `machine.addDevice`, which then fails. */
  detach(): void {
    this.#slot = undefined
  }

  /** Memory, through bus mastering and the IOMMU. */
  protected readonly dma: DmaEngine = {
    read: (address, bytes, burst) => this.slot.transfer(address, bytes, 'read', burst),
    write: (address, bytes, burst) => this.slot.transfer(address, bytes, 'write', burst),
  }

  /** A seeded stream of numbers that all devices of the machine share. */
  protected get random(): Random {
    return this.slot.random
  }

  /**
   * Interrupts: sends the message of a vector where MSI or MSI-X is on (lost while bus mastering is off), else
   * asserts the INTx line until `setInterruptLevel(false)`.
   */
  protected raiseInterrupt(vector = 0): void {
    this.slot.raiseInterrupt(vector)
  }

  /** Drives the INTx line. Nothing is sent where MSI or MSI-X is on. */
  protected setInterruptLevel(asserted: boolean): void {
    this.slot.setInterruptLevel(asserted)
  }

  /** Virtual milliseconds since the machine was made. */
  protected get now(): number {
    return this.slot.clock.now()
  }

  /** Whether it was pulled out of its machine: nothing that it does has an effect any more. */
  protected get removed(): boolean {
    return this.slot.removed
  }

  /** Does something `milliseconds` of virtual time from now. */
  protected schedule(milliseconds: number, run: () => void): ScheduledEvent {
    return this.slot.clock.schedule(milliseconds, run)
  }

  /** Adds a line to `machine.log`: what the driver did that the device does not like. */
  protected log(message: string): void {
    this.slot.log(message)
  }

  private get slot(): DeviceSlot {
    if (this.#slot === undefined) {
      throw new DmaError('DMA_NOT_ATTACHED', 'the device model is not plugged into a machine', {
        hint: 'call machine.addDevice(model) first',
      })
    }
    return this.#slot
  }
}
