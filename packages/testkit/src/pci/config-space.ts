import type { BarLayout, DeviceModel } from '../models/device-model'

/** Bytes in the configuration space of a conventional PCI function. */
export const configBytes = 256

const command = 0x04
const commandIo = 0x1
const commandMemory = 0x2
const commandMaster = 0x4
const commandInterruptDisable = 0x400
/** I/O, memory and SERR#: what firmware leaves behind. */
const commandAtPowerOn = 0x0103
/** I/O, memory, bus master, parity, SERR#, INTx disable. */
const commandWritable = 0x0547
const status = 0x06
/** The INTx line is up, whether or not the processor is told. */
const statusInterrupt = 0x08
const interruptPin = 0x3d
const capabilitiesPointer = 0x34
const msiCapability = 0x40
const msixCapability = 0x50

/** A BAR with everything decided. */
export interface Bar extends Required<BarLayout> {
  /** Bus address that firmware gave it. */
  readonly address: number
}

/** Configuration space: bytes, of which only some bits take writes. */
export class ConfigSpace {
  readonly #bytes = new Uint8Array(configBytes)
  readonly #writable = new Uint8Array(configBytes)
  readonly #view = new DataView(this.#bytes.buffer)
  readonly #mask = new DataView(this.#writable.buffer)
  readonly #hasIo: boolean

  constructor({ identity, interrupts }: DeviceModel, bars: readonly Bar[]) {
    const view = this.#view
    view.setUint16(0x00, identity.vendor, true)
    view.setUint16(0x02, identity.device, true)
    const kept = interrupts.pinMaskable === false ? commandInterruptDisable : 0
    this.#field16(command, commandAtPowerOn, commandWritable & ~kept)
    this.#hasIo = bars.some(({ kind }) => kind === 'io')
    view.setUint32(0x08, (((identity.classCode ?? 0xff0000) << 8) | (identity.revision ?? 0)) >>> 0, true)
    this.#writable[0x0c] = 0xff // cache line size
    for (const bar of bars) this.#addBar(bar)
    view.setUint16(0x2c, identity.subsystemVendor ?? 0, true)
    view.setUint16(0x2e, identity.subsystemDevice ?? 0, true)
    this.#bytes[0x3c] = 11
    this.#writable[0x3c] = 0xff // interrupt line
    this.#bytes[interruptPin] = interrupts.pin === false ? 0 : 1
    const capabilities: number[] = []
    if (interrupts.msi !== undefined) capabilities.push(this.#addMsi(interrupts.msi))
    if (interrupts.msix !== undefined) capabilities.push(this.#addMsix(interrupts.msix))
    this.#chain(capabilities)
  }

  get memoryEnabled(): boolean {
    return (this.#view.getUint16(command, true) & commandMemory) !== 0
  }

  get ioEnabled(): boolean {
    return (this.#view.getUint16(command, true) & commandIo) !== 0
  }

  get busMaster(): boolean {
    return (this.#view.getUint16(command, true) & commandMaster) !== 0
  }

  get interruptPinEnabled(): boolean {
    return this.hasInterruptPin && (this.#view.getUint16(command, true) & commandInterruptDisable) === 0
  }

  get hasInterruptPin(): boolean {
    return this.#bytes[interruptPin] !== 0
  }

  /** Whether the pin can be switched off in the command register, as PCI 2.3 asks for. */
  get interruptPinMaskable(): boolean {
    return (this.#mask.getUint16(command, true) & commandInterruptDisable) !== 0
  }

  /** Switches the pin off: what the kernel does at an interrupt that it leaves to the program. */
  disableInterruptPin(): void {
    this.#view.setUint16(command, this.#view.getUint16(command, true) | commandInterruptDisable, true)
  }

  /** Shows the line's level in the status register. */
  setInterruptStatus(asserted: boolean): void {
    if (!this.hasInterruptPin) return
    const rest = this.#bytes[status]! & ~statusInterrupt
    this.#bytes[status] = asserted ? rest | statusInterrupt : rest
  }

  enableDecoding(): void {
    const bits = commandMemory | (this.#hasIo ? commandIo : 0)
    this.#view.setUint16(command, this.#view.getUint16(command, true) | bits, true)
  }

  clearMaster(): void {
    this.#view.setUint16(command, this.#view.getUint16(command, true) & ~commandMaster, true)
  }

  /** Puts the bytes back as they were when `save()` was called. */
  restore(saved: Uint8Array): void {
    // What the line is at now is nothing that was saved.
    const asserted = (this.#bytes[status]! & statusInterrupt) !== 0
    this.#bytes.set(saved)
    this.setInterruptStatus(asserted)
  }

  save(): Uint8Array {
    return this.#bytes.slice()
  }

  /** Sets the enable bit of MSI or MSI-X, which only the kernel's own interrupt setup writes. */
  setMessagesEnabled(kind: 'msi' | 'msix', enabled: boolean): void {
    const [offset, bit] = kind === 'msi' ? [msiCapability + 2, 0x0001] : [msixCapability + 2, 0x8000]
    const control = this.#view.getUint16(offset, true)
    this.#view.setUint16(offset, enabled ? control | bit : control & ~bit, true)
  }

  /** Whether a device sends messages of a kind in place of driving its pin. */
  messagesEnabled(kind: 'msi' | 'msix'): boolean {
    const [offset, bit] = kind === 'msi' ? [msiCapability + 2, 0x0001] : [msixCapability + 2, 0x8000]
    return (this.#view.getUint16(offset, true) & bit) !== 0
  }

  read(byteOffset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(byteOffset, byteOffset + target.length))
  }

  write(byteOffset: number, source: Uint8Array): void {
    for (let index = 0; index < source.length; index++) {
      const at = byteOffset + index
      const mask = this.#writable[at]!
      this.#bytes[at] = (this.#bytes[at]! & ~mask) | (source[index]! & mask)
    }
  }

  #field16(byteOffset: number, value: number, writable: number): void {
    this.#view.setUint16(byteOffset, value, true)
    this.#mask.setUint16(byteOffset, writable, true)
  }

  #addBar({ index, byteLength, addressWidth, prefetchable, address, kind: space }: Bar): void {
    const offset = 0x10 + index * 4
    const kind = space === 'io' ? 0x1 : (addressWidth === 64 ? 0x4 : 0) | (prefetchable ? 0x8 : 0)
    // Address bits below the size read as zero whatever is written: that is how a BAR tells its size.
    const addressBits = ~BigInt(byteLength - 1) & 0xffff_ffff_ffff_ffffn
    this.#view.setUint32(offset, Number(BigInt(address) & 0xffff_ffffn) + kind, true)
    this.#mask.setUint32(offset, Number(addressBits & 0xffff_ffffn), true)
    if (addressWidth !== 64) return
    this.#view.setUint32(offset + 4, Number(BigInt(address) >> 32n), true)
    this.#mask.setUint32(offset + 4, Number(addressBits >> 32n), true)
  }

  /** 64-bit messages, no masking of single vectors. */
  #addMsi(vectors: number): number {
    this.#bytes[msiCapability] = 0x05
    this.#view.setUint16(msiCapability + 2, 0x80 | (Math.log2(vectors) << 1), true)
    this.#mask.setUint32(msiCapability + 4, 0xffff_fffc, true)
    this.#mask.setUint32(msiCapability + 8, 0xffff_ffff, true)
    this.#mask.setUint16(msiCapability + 12, 0xffff, true)
    return msiCapability
  }

  #addMsix(msix: NonNullable<DeviceModel['interrupts']['msix']>): number {
    this.#bytes[msixCapability] = 0x11
    this.#field16(msixCapability + 2, msix.vectors - 1, 0x4000)
    this.#view.setUint32(msixCapability + 4, (msix.tableOffset ?? 0) | msix.bar, true)
    this.#view.setUint32(msixCapability + 8, (msix.pendingOffset ?? 0) | msix.bar, true)
    return msixCapability
  }

  #chain(capabilities: readonly number[]): void {
    if (capabilities.length === 0) return
    this.#bytes[status] = 0x10 // the status register says that there is a list
    this.#bytes[capabilitiesPointer] = capabilities[0]!
    capabilities.forEach((offset, index) => {
      this.#bytes[offset + 1] = capabilities[index + 1] ?? 0
    })
  }
}
