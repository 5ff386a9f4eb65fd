import type { VirtualClock } from '../clock'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import type { FileAccess } from '../kernel/open-file'
import type { WindowOwner } from '../registers/open-window'
import type { TraceLog } from '../trace/trace-log'
import type { DmaMemoryAbi } from './dma-memory'
import type { UioDriverInfo, UioParent } from './driver-info'
import { UioFile } from './file'
import type { UioMap } from './map'

/** What UIO devices need of their machine. */
export interface UioParts extends WindowOwner {
  readonly fs: FileSystem
  readonly clock: VirtualClock
  readonly trace: TraceLog | undefined
}

/** A registered UIO device (struct uio_device): what all open files of it share. */
export class UioDevice {
  /** Absent from the moment that the driver takes the device back. */
  info: UioDriverInfo | undefined
  /** Interrupts so far, as a u32 that starts again at 0. */
  events = 0

  constructor(
    readonly minor: number,
    readonly parent: UioParent,
    info: UioDriverInfo,
    readonly dmaMemory: DmaMemoryAbi | undefined,
    readonly parts: UioParts,
  ) {
    this.info = info
  }

  get name(): string {
    return `uio${this.minor}`
  }

  /** The node that programs open. */
  get node(): string {
    return `/dev/${this.name}`
  }

  /** Its directory in sysfs. */
  get directory(): string {
    return `${this.parent.directory}/uio/${this.name}`
  }

  /** The maps in the order of their numbers: the driver's, then what the core adds. */
  get maps(): readonly UioMap[] {
    return [...(this.info?.maps ?? []), ...(this.dmaMemory?.slots ?? [])]
  }

  /** uio_event_notify(), `count` times: as cheap as once. */
  notify(count = 1): void {
    this.events = (this.events + count) % 2 ** 32
    this.parts.clock.wake()
  }

  open(access: FileAccess): UioFile {
    const { info } = this
    if (info === undefined) return fail('ENODEV', 'the driver has taken the device back')
    const file = new UioFile(this, access)
    info.open?.()
    return file
  }
}
