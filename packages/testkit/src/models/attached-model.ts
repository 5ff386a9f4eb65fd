import type { DmaUnderWay } from '@linux-dma/native'
import type { FakeClock } from '../clock'
import type { MachineCaches } from '../coherence/machine-caches'
import { Interferences } from '../disturb/interference'
import type { DmaErrors } from '../dma-errors'
import type { DmaFault, DmaPath } from '../iommu/dma-path'
import type { MachineLog } from '../machine-log'
import type { Bar } from '../pci/config-space'
import type { Random } from '../prng'
import { accessMilliseconds } from '../registers/access-time'
import { accessRegisters } from '../registers/register-access'
import type { RegisterBlock } from '../registers/register-block'
import type { TraceLog } from '../trace/trace-log'
import { allOnes, BarRegisters } from './bar-registers'
import type { AccessWidth, DeviceModel, DeviceSlot, DmaBurst } from './device-model'
import { MemoryPort } from './memory-port'

/** What a device needs of its machine. */
export interface SlotParts {
  readonly clock: FakeClock
  readonly random: Random
  readonly faults: DmaFault[]
  /** Those of them that came of a disturbance. */
  readonly excusedFaults: WeakSet<DmaFault>
  readonly log: MachineLog
  /** Absent where nobody wants to know what happens. */
  readonly trace: TraceLog | undefined
  /** Present where devices do not look into the CPU's caches. */
  readonly caches?: MachineCaches | undefined
  /** Present where the use of DMA is looked at. */
  readonly dmaErrors?: DmaErrors | undefined
  /** Every model that was plugged in, and where. */
  readonly attached: WeakMap<DeviceModel, AttachedModel>
}

/** A device model in its place in the machine, whatever bus that is on: its registers, and its way to memory. */
export abstract class AttachedModel implements DeviceSlot {
  /** Name of the driver that is bound. */
  driver: string | undefined
  driverOverride: string | undefined
  /** What disturbs it. */
  readonly interferences = new Interferences()
  protected line = false
  #removed = false
  /** What the device wants of its line, whether or not that gets through. */
  #level = false
  /** How many keep its link down. */
  #cuts = 0
  /** Bytes of each BAR, by index. */
  readonly #lengths: readonly number[]
  readonly #parts: SlotParts
  readonly #port: MemoryPort

  constructor(
    readonly address: string,
    readonly model: DeviceModel,
    readonly bars: readonly Bar[],
    /** What lies between the device and memory now. */
    public path: DmaPath,
    parts: SlotParts,
  ) {
    this.#parts = parts
    this.#port = new MemoryPort(this, parts)
    this.#lengths = Array.from({ length: 6 }, (_, index) => this.bar(index)?.byteLength ?? 0)
    parts.caches?.join(address, () => this.path)
  }

  /** Whether the device may reach memory. */
  protected abstract readonly mastering: boolean
  /** Whether a BAR is answered now. */
  abstract decodes(bar: Bar): boolean
  /** Whether interrupts go as messages, so that the line is not used. */
  protected abstract readonly sendsMessages: boolean
  /** A message leaves the device. */
  protected abstract sendMessage(vector: number): void
  /** The line changes, or is asked to while it is as it should be. */
  protected abstract driveLine(asserted: boolean): void

  /** Tells the model that it is here, once the bus has made all of it. @throws `DMA_ALREADY_ATTACHED` */
  protected plugIn(): void {
    this.model.attach(this)
    this.#parts.attached.set(this.model, this)
  }

  /** Whether it was pulled out: it answers nothing from then on. */
  get removed(): boolean {
    return this.#removed
  }

  /** Whether nobody answers: it was pulled out, or its link is down. */
  get absent(): boolean {
    return this.#removed || this.#cuts > 0
  }

  /** Whether it gets to memory: it is there, and may master the bus. */
  get reaches(): boolean {
    return !this.absent && this.mastering
  }

  pullOut(): void {
    this.#removed = true
    this.#parts.trace?.note('the device was pulled out', this.address)
    this.#level = false
    this.driveLine(false)
  }

  /** The link goes down: until it is up again, nothing passes in either direction. */
  cutLink(): void {
    this.#cuts++
    this.driveLine(false)
  }

  /** The link is up again. `lost`: whether the device has forgotten everything, as after power-on. */
  restoreLink({ lost }: { lost: boolean }): void {
    this.#cuts--
    if (this.#removed) return
    if (lost) this.powerOn()
    else if (this.#level && !this.absent) this.driveLine(true)
  }

  /** The device goes back to the state after power-on. */
  reset(): void {
    this.#level = false
    this.driveLine(false)
    this.model.reset()
    this.interferences.reset()
  }

  protected powerOn(): void {
    this.reset()
  }

  raiseInterrupt(vector: number): void {
    if (!this.sendsMessages) {
      this.setInterruptLevel(true)
      return
    }
    if (this.absent) return
    this.#parts.trace?.interrupt(this.address, vector, 1, 'raised')
    this.interferences.interrupt({ vector, by: 'message' }, () => {
      if (!this.absent) this.sendMessage(vector)
    })
  }

  setInterruptLevel(asserted: boolean): void {
    if (this.#removed) return
    const rises = asserted && !this.#level
    this.#level = asserted
    if (this.absent) return
    if (rises) this.#parts.trace?.interrupt(this.address, 0, 1, 'raised')
    if (!asserted || this.line || !this.interferences.any) {
      this.driveLine(asserted)
      return
    }
    // An interrupt is a line that goes up. One that is asked to be up again is still on its way, or lost.
    if (!rises) return
    this.interferences.interrupt({ vector: 0, by: 'line' }, () => {
      if (this.#level && !this.absent) this.driveLine(true)
    })
  }

  /** An interrupt that the device never made. False where nobody can see it: it is absent, or its line is up already. */
  glitch(vector: number): boolean {
    if (this.absent) return false
    if (this.sendsMessages) {
      this.sendMessage(vector)
      return true
    }
    if (this.line) return false
    this.driveLine(true)
    this.driveLine(false)
    return true
  }

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
    const value = this.#load(bar, byteOffset, width)
    this.#note('read', bar, byteOffset, width, value)
    return value
  }

  #load(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    if (this.absent) return allOnes(width)
    if (!this.interferences.any) return this.#answer(bar, byteOffset, width)
    return this.interferences.load({ bar, byteOffset, width }, () => this.#answer(bar, byteOffset, width))
  }

  #answer(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    const { model } = this
    if (this.#isBeyond(bar, byteOffset)) return width === 64 ? 0n : 0
    if (!model.accepts(bar, byteOffset, width)) {
      const narrower = ([8, 16, 32] as const).some(
        (one) => one < width && model.accepts(bar, byteOffset, one),
      )
      return narrower ? allOnes(width) : width === 64 ? 0n : 0
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
    this.#note('write', bar, byteOffset, width, value)
    this.#store(bar, byteOffset, width, value)
  }

  #note(
    access: 'read' | 'write',
    bar: number,
    byteOffset: number,
    width: AccessWidth,
    value: number | bigint,
  ): void {
    const { trace } = this.#parts
    trace?.register(
      this.address,
      access,
      bar,
      byteOffset,
      width,
      value,
      this.model.registerName(bar, byteOffset),
    )
  }

  #store(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    if (this.absent || this.#isBeyond(bar, byteOffset) || !this.model.accepts(bar, byteOffset, width)) return
    if (!this.interferences.any) {
      this.model.write(bar, byteOffset, width, value)
      return
    }
    this.interferences.store({ bar, byteOffset, width }, value, () => {
      if (!this.absent) this.model.write(bar, byteOffset, width, value)
    })
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

  transfer(
    address: number | bigint,
    bytes: Uint8Array,
    direction: 'read' | 'write',
    burst: DmaBurst = {},
  ): boolean {
    if (!this.reaches) return false
    if (!this.interferences.any) return this.#port.move(address, bytes, direction, burst)
    // What was held back may come when nothing gets through any more.
    return this.interferences.transfer({ address, bytes, direction }, (transfer) =>
      this.#port.move(transfer.address, transfer.bytes, transfer.direction, burst),
    )
  }

  /** See {@link MemoryPort}. */
  mislead(): void {
    this.#port.mislead()
  }

  /** What the device is to transfer yet of the bytes at some addresses. */
  underWay(address: number, byteLength: number): DmaUnderWay | undefined {
    return this.#port.underWay(address, byteLength)
  }

  /** The program listens to a vector from here on, or no longer. */
  listens(vector: number, on: boolean): void {
    this.#parts.trace?.interrupt(this.address, vector, 0, on ? 'enabled' : 'disabled')
  }

  /** The program was told of interrupts. */
  delivered(vector: number, count: number): void {
    this.#parts.trace?.interrupt(this.address, vector, count, 'delivered')
  }

  log(message: string): void {
    this.#parts.log.add({ time: this.clock.now(), device: this.address, message })
    this.#parts.trace?.note(message, this.address)
  }
}
