import type { FakeClock } from '../clock'
import type { PhysicalRange } from '../fs/iomem'
import type { DmaFault, DmaPath } from '../iommu/dma-path'
import { transferThrough } from '../iommu/transfer'
import type { Bar } from '../pci/config-space'
import type { LogEntry } from '../pci/function'
import type { Random } from '../prng'
import { accessMilliseconds } from '../registers/access-time'
import { accessRegisters } from '../registers/register-access'
import type { RegisterBlock } from '../registers/register-block'
import type { AccessWidth, DeviceModel, DeviceSlot } from './device-model'

/** What a device needs of its machine. */
export interface SlotParts {
  readonly clock: FakeClock
  readonly random: Random
  readonly faults: DmaFault[]
  readonly log: LogEntry[]
}

/** A device model in its place in the machine, whatever bus that is on: its registers, and its way to memory. */
export abstract class AttachedModel implements DeviceSlot {
  /** Name of the driver that is bound. */
  driver: string | undefined
  driverOverride: string | undefined
  /** Set when the device was pulled out: it answers nothing from then on. */
  removed = false
  protected line = false
  /** Bytes of each BAR, by index. */
  readonly #lengths: readonly number[]
  readonly #parts: SlotParts

  constructor(
    readonly address: string,
    readonly model: DeviceModel,
    readonly bars: readonly Bar[],
    /** What lies between the device and memory now. */
    public path: DmaPath,
    parts: SlotParts,
  ) {
    this.#parts = parts
    this.#lengths = Array.from({ length: 6 }, (_, index) => this.bar(index)?.byteLength ?? 0)
  }

  /** Whether the device may reach memory. */
  protected abstract readonly mastering: boolean
  /** Whether a BAR is answered now. */
  abstract decodes(bar: Bar): boolean
  abstract raiseInterrupt(vector: number): void
  abstract setInterruptLevel(asserted: boolean): void

  get clock(): FakeClock {
    return this.#parts.clock
  }

  get random(): Random {
    return this.#parts.random
  }

  bar(index: number): Bar | undefined {
    return this.bars.find((bar) => bar.index === index)
  }

  /** A BAR that the device has, as windows reach it. */
  registers(index: number): RegisterBlock {
    return new BarRegisters(this, this.bar(index)!)
  }

  /** A register is read: virtual time passes, and a device that is gone answers all ones. */
  readRegister(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    this.clock.advance(accessMilliseconds)
    return this.#load(bar, byteOffset, width)
  }

  #load(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    const ones = width === 64 ? 0xffff_ffff_ffff_ffffn : 2 ** width - 1
    if (this.removed) return ones
    const { model } = this
    if (this.#isBeyond(bar, byteOffset)) return width === 64 ? 0n : 0
    if (!model.accepts(bar, byteOffset, width)) {
      const narrower = ([8, 16, 32] as const).some(
        (one) => one < width && model.accepts(bar, byteOffset, one),
      )
      return narrower ? ones : width === 64 ? 0n : 0
    }
    const value = model.read(bar, byteOffset, width)
    if (width === 64) return BigInt.asUintN(64, BigInt(value))
    // The usual case is a number that fits.
    return typeof value === 'number' && width === 32
      ? value >>> 0
      : Number(BigInt.asUintN(width, BigInt(value)))
  }

  writeRegister(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    this.clock.advance(accessMilliseconds)
    this.#store(bar, byteOffset, width, value)
  }

  #store(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    if (this.removed || this.#isBeyond(bar, byteOffset) || !this.model.accepts(bar, byteOffset, width)) return
    this.model.write(bar, byteOffset, width, value)
  }

  /** Whether nobody is there: a BAR that is smaller than a page is mapped with the rest of its page. */
  #isBeyond(bar: number, byteOffset: number): boolean {
    return byteOffset >= this.#lengths[bar]!
  }

  /** Another device reaches the registers: no time of the program passes, and nobody answers while they do not decode. */
  accessAsPeer(bar: Bar, byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    if (!this.decodes(bar)) {
      if (direction === 'read') bytes.fill(0xff)
      return
    }
    const registers = {
      read: (at: number, width: AccessWidth) => this.#load(bar.index, at, width),
      write: (at: number, width: AccessWidth, value: number) => this.#store(bar.index, at, width, value),
    }
    accessRegisters(registers, byteOffset, bytes, direction)
  }

  transfer(address: number | bigint, bytes: Uint8Array, direction: 'read' | 'write'): boolean {
    if (this.removed || !this.mastering) return false
    return transferThrough(this.path, Number(address), bytes, direction, (refused, byteLength) =>
      this.#parts.faults.push({
        address: refused,
        byteLength,
        device: this.address,
        direction,
        time: this.clock.now(),
      }),
    )
  }

  log(message: string): void {
    this.#parts.log.push({ time: this.clock.now(), device: this.address, message })
  }
}

/** A BAR of a device: a class of its own, since what each access goes through has to be quick. */
class BarRegisters implements RegisterBlock {
  readonly #device: AttachedModel
  readonly #bar: Bar
  readonly #index: number

  constructor(device: AttachedModel, bar: Bar) {
    this.#device = device
    this.#bar = bar
    this.#index = bar.index
  }

  get name(): string {
    return `BAR ${this.#index} of ${this.#device.address}`
  }

  get decodes(): boolean {
    return this.#device.decodes(this.#bar)
  }

  read(byteOffset: number, width: AccessWidth): number | bigint {
    return this.#device.readRegister(this.#index, byteOffset, width)
  }

  write(byteOffset: number, width: AccessWidth, value: number | bigint): void {
    this.#device.writeRegister(this.#index, byteOffset, width, value)
  }

  access(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    this.#device.accessAsPeer(this.#bar, byteOffset, bytes, direction)
  }
}

/** The physical addresses of a device's registers. */
export function rangesOf({ address: name, bars }: AttachedModel): PhysicalRange[] {
  return bars
    .filter(({ kind }) => kind === 'memory')
    .map(({ address: start, byteLength }) => ({ start, byteLength, name }))
}
