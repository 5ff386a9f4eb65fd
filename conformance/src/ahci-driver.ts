import {
  addToDmaAddress,
  type CoherentAllocation,
  type DmaAddress,
  dmaAllocCoherent,
  type IoRegion,
  toNumber,
} from '@linux-dma/core'
import type { VfioDevice } from '@linux-dma/vfio'

/** Offsets of the controller (AHCI 1.3.1, chapter 3). */
export const AHCI = { CAP: 0x00, GHC: 0x04, IS: 0x08, PI: 0x0c, VS: 0x10 } as const
/** Offsets of a port, from its own start on. */
export const PORT = {
  ...{ CLB: 0x00, FB: 0x08, IS: 0x10, IE: 0x14, CMD: 0x18, TFD: 0x20 },
  ...{ SIG: 0x24, SSTS: 0x28, SCTL: 0x2c, SERR: 0x30, CI: 0x38 },
} as const
/** Bits of PxIS. */
export const CAUSE = { deviceToHost: 0x1, pioSetup: 0x2, taskFile: 0x4000_0000 } as const
export const ATA = { IDENTIFY: 0xec, READ: 0x25, WRITE: 0x35 } as const

const START = 0x1
const RECEIVE = 0x10
const RECEIVES = 0x4000
const RUNS = 0x8000
const BUSY_OR_ERROR = 0x89
const patience = { timeoutMilliseconds: 5000, intervalMilliseconds: 1 }

/** Where things are in the port's memory: the command list is at the start. */
const RECEIVED_AT = 1024
const TABLES_AT = 2048
const TABLE_BYTES = 256
const PRDT_AT = 128

/** A part of memory that data goes to or comes from. */
export interface Part {
  readonly address: DmaAddress
  readonly byteLength: number
}

/** A command as a driver puts it together. */
export interface AtaCommand {
  readonly command: number
  readonly lba?: number
  readonly sectors?: number
  readonly parts?: readonly Part[]
}

/** A port of an AHCI controller, driven as the specification says: one that knows nothing of who made the controller. */
export class AhciPortDriver implements Disposable {
  readonly #registers: IoRegion
  readonly #at: number
  readonly #memory: CoherentAllocation

  constructor(device: VfioDevice, port: number) {
    this.#registers = device.bar(5)
    this.#at = 0x100 + port * 0x80
    this.#memory = dmaAllocCoherent(device, 16 * 1024)
  }

  read(register: number): number {
    return this.#registers.read32(this.#at + register)
  }

  write(register: number, value: number): void {
    this.#registers.write32(this.#at + register, value >>> 0)
  }

  /** Resets the whole controller. */
  async resetController(): Promise<void> {
    this.#registers.write32(AHCI.GHC, 1)
    await this.#registers.pollUntil(AHCI.GHC, (control) => (control & 1) === 0, patience)
    this.#registers.write32(AHCI.GHC, 0x8000_0000)
  }

  /** Gives the port its memory and lets it run. */
  async start(): Promise<void> {
    await this.stop()
    this.#registers.writeAddressLowHigh(this.#at + PORT.CLB, this.#memory.dmaAddress)
    this.#registers.writeAddressLowHigh(
      this.#at + PORT.FB,
      addToDmaAddress(this.#memory.dmaAddress, RECEIVED_AT),
    )
    this.write(PORT.SERR, 0xffff_ffff)
    this.write(PORT.CMD, RECEIVE)
    await this.#until(PORT.CMD, (command) => (command & RECEIVES) !== 0)
    if ((this.read(PORT.SSTS) & 0xf) === 3) {
      await this.#until(PORT.TFD, (taskFile) => (taskFile & 0x88) === 0)
    }
    this.acknowledge()
    this.write(PORT.CMD, RECEIVE | START)
    await this.#until(PORT.CMD, (command) => (command & RUNS) !== 0)
  }

  async stop(): Promise<void> {
    this.write(PORT.CMD, this.read(PORT.CMD) & ~START)
    await this.#until(PORT.CMD, (command) => (command & RUNS) === 0)
    this.write(PORT.CMD, this.read(PORT.CMD) & ~RECEIVE)
    await this.#until(PORT.CMD, (command) => (command & RECEIVES) === 0)
  }

  /** Puts a command into a slot, without issuing it. */
  prepare({ command, lba = 0, sectors = 0, parts = [] }: AtaCommand, slot = 0): void {
    const { bytes, dmaAddress } = this.#memory
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const table = TABLES_AT + slot * TABLE_BYTES
    view.setUint16(slot * 32, 5 | (command === ATA.WRITE ? 0x40 : 0), true)
    view.setUint16(slot * 32 + 2, parts.length, true)
    view.setUint32(slot * 32 + 4, 0, true)
    view.setBigUint64(slot * 32 + 8, BigInt(toNumber(dmaAddress) + table), true)
    bytes.fill(0, table, table + TABLE_BYTES)
    view.setUint32(table, 0x8027 | (command << 16), true)
    view.setUint32(table + 4, (lba & 0xff_ffff) | 0x4000_0000, true)
    view.setUint32(table + 8, Math.floor(lba / 2 ** 24), true)
    view.setUint16(table + 12, sectors, true)
    for (const [index, { address, byteLength }] of parts.entries()) {
      const entry = table + PRDT_AT + index * 16
      view.setBigUint64(entry, BigInt(toNumber(address)), true)
      view.setUint32(entry + 12, byteLength - 1, true)
    }
  }

  issue(slots: number): void {
    this.write(PORT.CI, slots)
  }

  /** How many bytes the controller says that it has moved. */
  moved(slot = 0): number {
    const { bytes } = this.#memory
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(slot * 32 + 4, true)
  }

  /** Issues a command and waits until it is done or refused. The causes that came, which are cleared. */
  async run(command: AtaCommand): Promise<{ causes: number; failed: boolean; moved: number }> {
    this.prepare(command)
    this.issue(1)
    await this.finish(1)
    const failed = (this.read(PORT.TFD) & BUSY_OR_ERROR) !== 0
    return { causes: this.acknowledge(), failed, moved: this.moved() }
  }

  /** Waits until slots are done, or there is an error. */
  async finish(slots: number): Promise<void> {
    await this.#until(
      PORT.CI,
      (issued) => (issued & slots) === 0 || (this.read(PORT.IS) & CAUSE.taskFile) !== 0,
    )
  }

  /** Takes the port's causes, and then that of the controller, in this order. */
  acknowledge(): number {
    const causes = this.read(PORT.IS)
    this.write(PORT.IS, causes)
    this.#registers.write32(AHCI.IS, 2 ** ((this.#at - 0x100) / 0x80))
    return causes
  }

  [Symbol.dispose](): void {
    this.write(PORT.IE, 0)
    this.write(PORT.CMD, 0)
    this.#memory[Symbol.dispose]()
  }

  #until(register: number, condition: (value: number) => boolean): Promise<unknown> {
    return this.#registers.pollUntil(this.#at + register, condition, patience)
  }
}
