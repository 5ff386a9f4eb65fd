import type { FakeClock } from '../clock'
import { SystemFailure } from '../errors'
import type { DmaFault, DmaPath } from '../iommu/dma-path'
import type { AccessWidth, DeviceModel, DeviceSlot } from '../models/device-model'
import type { Random } from '../prng'
import { type BusWindow, layOutBars } from './bar-layout'
import { type Bar, ConfigSpace } from './config-space'
import { accessRegisters } from './register-access'

/** Something a device complained about. */
export interface LogEntry {
  /** Virtual milliseconds. */
  readonly time: number
  /** PCI address of the device. */
  readonly device: string
  readonly message: string
}

/** Who gets a function's interrupts. */
export interface InterruptSink {
  /** Whether messages are on, so that the pin is not used. */
  readonly messages: boolean
  /** A message came. False when nobody listens to that vector. */
  message(vector: number): boolean
  /** The INTx line went up. */
  lineAsserted(): void
}

/** What a function needs of its machine. */
export interface BusParts {
  readonly clock: FakeClock
  readonly random: Random
  readonly window: BusWindow
  readonly faults: DmaFault[]
  readonly log: LogEntry[]
}

/** Time of one register access: about what a read across PCI Express costs. */
const accessMilliseconds = 0.001

/** A device model plugged into the fake PCI bus. */
export class PciFunction implements DeviceSlot {
  readonly config: ConfigSpace
  readonly bars: readonly Bar[]
  /** Name of the driver that is bound. */
  driver: string | undefined
  driverOverride: string | undefined
  /** What lies between the device and memory now. */
  path: DmaPath
  sink: InterruptSink | undefined
  /** Set when the device was pulled out: it answers nothing from then on. */
  removed = false
  /** How many have enabled it, as `enable` in sysfs shows. */
  enableCount = 0
  #lineAsserted = false

  constructor(
    readonly address: string,
    readonly model: DeviceModel,
    /** IOMMU group, where there is an IOMMU. */
    readonly group: number | undefined,
    /** Where its DMA goes while no driver has arranged anything. */
    readonly defaultPath: DmaPath,
    private readonly parts: BusParts,
  ) {
    this.bars = layOutBars(model, parts.window)
    this.config = new ConfigSpace(model, this.bars)
    this.path = defaultPath
    model.attach(this)
  }

  get clock(): FakeClock {
    return this.parts.clock
  }

  get random(): Random {
    return this.parts.random
  }

  get lineAsserted(): boolean {
    return this.#lineAsserted && this.config.interruptPinEnabled
  }

  bar(index: number): Bar | undefined {
    return this.bars.find((bar) => bar.index === index)
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
    if (this.removed || !this.model.accepts(bar, byteOffset, width)) return
    this.model.write(bar, byteOffset, width, value)
  }

  /** Another device reaches the registers: no time of the program passes, and nobody answers while they do not decode. */
  accessAsPeer(bar: number, byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    if (!this.config.memoryEnabled) {
      if (direction === 'read') bytes.fill(0xff)
      return
    }
    const registers = {
      read: (at: number, width: AccessWidth) => this.#load(bar, at, width),
      write: (at: number, width: AccessWidth, value: number) => this.#store(bar, at, width, value),
    }
    accessRegisters(registers, byteOffset, bytes, direction)
  }

  transfer(address: number | bigint, bytes: Uint8Array, direction: 'read' | 'write'): boolean {
    if (this.removed || !this.config.busMaster) return false
    const start = Number(address)
    let done = 0
    /** Where the stretch of refused bytes under way began. */
    let refusedFrom: number | undefined
    let complete = true
    const endRefused = () => {
      if (refusedFrom !== undefined) this.#fault(start + refusedFrom, done - refusedFrom, direction)
      refusedFrom = undefined
    }
    while (done < bytes.length) {
      const { byteLength, memory, registers } = this.path.translate(
        start + done,
        bytes.length - done,
        direction,
      )
      const part = bytes.subarray(done, done + byteLength)
      if (registers !== undefined) {
        endRefused()
        registers.peer.access(registers.byteOffset, part, direction)
      } else if (memory === undefined) {
        refusedFrom ??= done
        complete = false
        if (direction === 'read') part.fill(0)
      } else {
        endRefused()
        if (direction === 'read') part.set(memory)
        else memory.set(part)
      }
      done += byteLength
    }
    endRefused()
    return complete
  }

  raiseInterrupt(vector: number): void {
    if (this.removed) return
    if (!this.sink?.messages) {
      this.setInterruptLevel(true)
    } else if (!this.config.busMaster) {
      this.log(`interrupt message ${vector} is lost: bus mastering is off`)
    } else if (!this.sink.message(vector)) {
      this.log(`interrupt message ${vector} is lost: nobody listens to that vector`)
    }
  }

  setInterruptLevel(asserted: boolean): void {
    if (this.removed) return
    this.#lineAsserted = asserted
    if (this.lineAsserted) this.sink?.lineAsserted()
  }

  log(message: string): void {
    this.parts.log.push({ time: this.clock.now(), device: this.address, message })
  }

  /** pci_enable_device() of the first user: memory decoding on. */
  enable(): void {
    this.enableCount++
    if (this.enableCount === 1) this.config.enableMemory()
  }

  /** pci_disable_device() of the last user: bus mastering off. */
  disable(): void {
    this.enableCount--
    if (this.enableCount === 0) this.config.clearMaster()
  }

  /** Function-level reset. The kernel saves the configuration before and restores it afterwards. */
  reset(): void {
    this.#lineAsserted = false
    this.model.reset()
  }

  /** Guards a device access that a system call makes: EIO while memory decoding is off. */
  assertDecoding(): void {
    if (!this.config.memoryEnabled) {
      throw new SystemFailure('EIO', `memory decoding of ${this.address} is off (PCI_COMMAND bit 1)`)
    }
  }

  #fault(address: number, byteLength: number, direction: 'read' | 'write'): void {
    this.parts.faults.push({ address, byteLength, device: this.address, direction, time: this.clock.now() })
  }
}
