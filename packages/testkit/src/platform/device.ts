import type { BusDriver } from '../drivers/driver-core'
import type { KernelDma } from '../iommu/kernel-dma'
import { AttachedModel } from '../models/attached-model'
import type { DeviceModel } from '../models/device-model'
import { layOutBars } from '../pci/bar-layout'
import type { BusParts } from '../pci/function'

/** Who gets a platform device's interrupts. */
export interface LineSink {
  /** The line went up, or is asked to while it is up. */
  lineAsserted(): void
}

/** What the machine's description says about a device to the drivers that know nothing of it themselves. */
export interface PlatformData {
  /** The UIO device's name. */
  readonly uioName: string
  /** Sizes of the regions that uio_dmem_genirq allocates, in bytes. */
  readonly dynamicRegions: readonly number[]
}

/** A driver of platform devices. */
export type PlatformDriver = BusDriver<PlatformDevice>

/** Where a platform device is in sysfs. */
export function platformPath(name: string): string {
  return `/sys/devices/platform/${name}`
}

/**
 * A device that no bus finds: it is where the machine's description says. Its BARs are ranges of physical memory, its
 * interrupt a line of its own, and it may always reach memory.
 */
export class PlatformDevice extends AttachedModel {
  sink: LineSink | undefined
  protected readonly mastering = true

  constructor(
    name: string,
    model: DeviceModel,
    readonly dma: KernelDma,
    /** Whether its interrupt line leads anywhere. */
    readonly hasInterrupt: boolean,
    readonly data: PlatformData | undefined,
    parts: BusParts,
  ) {
    super(name, model, layOutBars(model, parts.window), dma, parts)
    this.plugIn()
  }

  get lineAsserted(): boolean {
    return this.line && this.hasInterrupt
  }

  decodes(): boolean {
    return true
  }

  /** There are no messages: every interrupt is a level of the line. */
  protected readonly sendsMessages = false
  protected sendMessage(): void {}

  protected driveLine(asserted: boolean): void {
    this.line = asserted
    if (this.lineAsserted) this.sink?.lineAsserted()
  }
}
