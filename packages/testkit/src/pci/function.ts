import { SystemFailure } from '../errors'
import type { KernelDma } from '../iommu/kernel-dma'
import { AttachedModel, type SlotParts } from '../models/attached-model'
import type { DeviceModel } from '../models/device-model'
import { type BusWindow, layOutBars } from './bar-layout'
import { type Bar, ConfigSpace } from './config-space'

/** Something a device complained about, or its driver. */
export interface LogEntry {
  /** Virtual milliseconds. */
  readonly time: number
  /** PCI address of the device, or name of the platform device. */
  readonly device: string
  readonly message: string
}

/**
 * What becomes of an interrupt message: somebody is told of it, it waits until somebody listens to its vector, or nobody will
 * ever know.
 */
export type MessageFate = 'delivered' | 'kept' | 'lost'

/** Who gets a function's interrupts. */
export interface InterruptSink {
  /** Whether messages are on, so that the pin is not used. */
  readonly messages: boolean
  /** A message came. */
  message(vector: number): MessageFate
  /** The INTx line went up. */
  lineAsserted(): void
}

/** What a function needs of its machine. */
export interface BusParts extends SlotParts {
  readonly window: BusWindow
}

/** A device model plugged into the fake PCI bus. */
export class PciFunction extends AttachedModel {
  readonly config: ConfigSpace
  sink: InterruptSink | undefined
  /** MSI-X: vectors that are masked and of which a message is to be sent once they are not. */
  readonly pendingMessages = new Set<number>()
  /** How many have enabled it, as `enable` in sysfs shows. */
  enableCount = 0

  constructor(
    address: string,
    model: DeviceModel,
    /** IOMMU group, where there is an IOMMU. */
    readonly group: number | undefined,
    /** The memory that drivers of the kernel have for it, and where its DMA goes while VFIO has not arranged anything. */
    readonly dma: KernelDma,
    parts: BusParts,
  ) {
    super(address, model, layOutBars(model, parts.window), dma, parts)
    this.config = new ConfigSpace(model, this.bars)
    this.plugIn()
  }

  get lineAsserted(): boolean {
    return this.line && this.config.interruptPinEnabled
  }

  protected get mastering(): boolean {
    return this.config.busMaster
  }

  decodes({ kind }: Bar): boolean {
    return kind === 'io' ? this.config.ioEnabled : this.config.memoryEnabled
  }

  /** Reads configuration space: all ones where nobody answers. */
  readConfig(byteOffset: number, bytes: Uint8Array): void {
    if (this.absent) bytes.fill(0xff)
    else this.config.read(byteOffset, bytes)
  }

  /** Writes to configuration space: a line that is up and was kept from the processor gets through once it may. */
  writeConfig(byteOffset: number, bytes: Uint8Array): void {
    if (this.absent) return
    const before = this.lineAsserted
    this.config.write(byteOffset, bytes)
    if (!before && this.lineAsserted) this.sink?.lineAsserted()
  }

  protected get sendsMessages(): boolean {
    return this.sink?.messages === true
  }

  protected sendMessage(vector: number): void {
    if (!this.config.busMaster) {
      this.log(`interrupt message ${vector} is lost: bus mastering is off`)
      return
    }
    const fate = this.sink?.message(vector) ?? 'lost'
    if (fate === 'kept') this.log(`interrupt message ${vector} waits until somebody listens to that vector`)
    if (fate === 'lost') this.log(`interrupt message ${vector} is lost: nobody listens to that vector`)
  }

  protected driveLine(asserted: boolean): void {
    this.line = asserted
    this.config.setInterruptStatus(asserted)
    if (this.lineAsserted) this.sink?.lineAsserted()
  }

  /** Nobody restores what a reset that the kernel did not ask for took away. */
  protected override powerOn(): void {
    super.powerOn()
    this.config.clearMaster()
  }

  /** pci_enable_device() of the first user: its BARs answer. */
  enable(): void {
    this.enableCount++
    if (this.enableCount === 1) this.config.enableDecoding()
  }

  /** pci_disable_device() of the last user: bus mastering off. */
  disable(): void {
    this.enableCount--
    if (this.enableCount === 0) this.config.clearMaster()
  }

  /** Function-level reset: nothing happens to a device that is not there. The kernel keeps the configuration. */
  override reset(): void {
    if (this.absent) return
    this.pendingMessages.clear()
    super.reset()
  }

  /** Guards a device access that a system call makes: EIO while memory decoding is off. */
  assertDecoding(): void {
    if (!this.config.memoryEnabled) {
      throw new SystemFailure('EIO', `memory decoding of ${this.address} is off (PCI_COMMAND bit 1)`)
    }
  }
}
