import {
  assertOptions,
  closeAll,
  DmaDevice,
  DmaError,
  FileRegisterWindow,
  IoRegion,
  type Kernel,
} from '@linux-dma/core'
import { linuxKernel } from '@linux-dma/native'
import * as vfio from './constants'
import { VfioContainer } from './container'
import { readDeviceInfo, type VfioDeviceInfo } from './device-info'
import { VfioGroup } from './group'
import { chooseInterrupts, type InterruptOptions } from './interrupt-kind'
import { InterruptStream } from './interrupt-stream'
import { bindCommands, type PciDeviceInfo, parsePciAddress, readPciDevice } from './pci-address'
import { VfioDmaOps } from './vfio-dma-ops'

/** BARs of a PCI device. */
const BARS = 6
/** An IoRegion's offsets are 31 bits wide: of a longer BAR, the first 2 GiB are mapped. */
const LARGEST_WINDOW = 0x8000_0000

/** How to open: see {@link openVfioDevice}. */
export interface VfioDeviceOptions {
  /** The real kernel by default; a fake machine's in tests. */
  kernel?: Kernel
}

/** What a device holds open, in the order it was opened. */
interface Handles {
  readonly pci: PciDeviceInfo
  readonly container: VfioContainer
  readonly group: VfioGroup
  readonly fd: number
  readonly info: VfioDeviceInfo
}

/**
 * A PCI device that this process drives through VFIO: its registers, configuration space, interrupts, and DMA behind
 * the IOMMU. Pass it to `dmaMapSingle` and the other functions of core.
 *
 * `close()` stops the device (bus mastering off), ends its interrupts, takes back all memory, and only then closes it.
 */
export class VfioDevice extends DmaDevice {
  /** PCI address, with the domain. */
  readonly address: string
  readonly vendorId: number
  readonly deviceId: number
  /** PCI configuration space, 8 to 32 bits wide. */
  readonly config: IoRegion
  readonly #handles: Handles
  readonly #bars = new Map<number, IoRegion>()
  #interrupts: InterruptStream | undefined

  /** @internal use {@link openVfioDevice} */
  constructor(handles: Handles, ops: VfioDmaOps) {
    const { pci, container, info, fd } = handles
    super(pci.address, container.kernel, ops)
    this.#handles = handles
    this.address = pci.address
    this.vendorId = pci.vendorId
    this.deviceId = pci.deviceId
    const { position, byteLength } = info.regions.get(vfio.VFIO_PCI_CONFIG_REGION_INDEX)!
    const window = new FileRegisterWindow(this.kernel, fd, {
      position,
      byteLength,
      // Bus mastering can change only here, so that whether DMA is possible need not be asked at each mapping.
      onWrite: (byteOffset) => {
        if (byteOffset <= vfio.PCI_COMMAND + 1) this.#readBusMaster()
      },
    })
    this.config = new IoRegion(window, {
      name: `${this.address} configuration space`,
      clock: this.kernel.clock,
    })
    this.#readBusMaster()
  }

  /** Whether the device may start transfers of its own. */
  get busMaster(): boolean {
    return this.dmaReady
  }

  /**
   * Lets the device start transfers. Mirrors `pci_set_master()`. Until then no DMA address is handed out: a device
   * that may not use the bus moves nothing, and many report completion all the same.
   * @throws DMA_CLOSED
   */
  setMaster(): void {
    this.assertOpen()
    this.#setMasterBit(true)
  }

  /** Stops the device from starting transfers. Mirrors `pci_clear_master()`. @throws DMA_CLOSED */
  clearMaster(): void {
    this.assertOpen()
    this.#setMasterBit(false)
  }

  /**
   * The registers behind a BAR, mapped at the first call: the same object each time. A BAR that cannot be mapped (I/O
   * ports, for one) is reached by system calls.
   * @param index 0 to 5, the number of the BAR
   * @throws DMA_NO_REGION where the device has no such BAR; DMA_CLOSED; ENOMEM and what else mmap answers
   */
  bar(index: number): IoRegion {
    this.assertOpen()
    const known = this.#bars.get(index)
    if (known) return known
    const info = index < BARS ? this.#handles.info.regions.get(index) : undefined
    if (!info) {
      const present = [...this.#handles.info.regions.keys()].filter((candidate) => candidate < BARS)
      throw new DmaError('DMA_NO_REGION', `${this.address} has no BAR ${String(index)}`, {
        hint: `it has BAR ${present.join(', ') || 'none'}; the upper half of a 64-bit BAR has no number of its own`,
      })
    }
    const { kernel } = this
    const { fd } = this.#handles
    const { position } = info
    const byteLength = Math.min(info.byteLength, LARGEST_WINDOW)
    const mappable = (info.flags & vfio.VFIO_REGION_INFO_FLAG_MMAP) !== 0 && !info.sparse
    const window = mappable
      ? kernel.mapRegisters(fd, { byteLength, position })
      : new FileRegisterWindow(kernel, fd, { byteLength, position })
    const region = new IoRegion(window, {
      name: `${this.address} BAR ${index}`,
      clock: kernel.clock,
      byteLength,
    })
    this.#bars.set(index, region)
    return region
  }

  /**
   * Enables interrupts and gives them as an async iterator, with how often each came. They are on when this returns:
   * call it before starting the device.
   * @throws DMA_INTERRUPT_IN_USE while another stream is open; DMA_NO_INTERRUPT; DMA_INVALID_ARGUMENT; DMA_CLOSED; the
   *   signal's reason where it is already aborted
   * @example
   * ```ts
   * for await (const { count } of device.interrupts({ signal })) {
   *   acknowledge(registers)
   * }
   * ```
   */
  interrupts(options: InterruptOptions = {}): InterruptStream {
    this.assertOpen()
    const chosen = chooseInterrupts(this.address, this.#handles.info.irqs, options)
    if (this.#interrupts) {
      throw new DmaError(
        'DMA_INTERRUPT_IN_USE',
        `the interrupts of ${this.address} already have a consumer`,
        {
          hint: 'close the other stream first, or ask it for more vectors: interrupts({ vectors: n })',
        },
      )
    }
    const onClose = () => {
      this.#interrupts = undefined
    }
    this.#interrupts = new InterruptStream(this.kernel, this.#handles.fd, chosen, options.signal, onClose)
    return this.#interrupts
  }

  /**
   * Resets the function, and with it its registers. Mirrors `pci_reset_function()`. Bus mastering may be off afterwards.
   * @throws DMA_UNSUPPORTED for a device that has no reset; DMA_CLOSED
   */
  reset(): void {
    this.assertOpen()
    if (!this.#handles.info.canReset) {
      throw new DmaError('DMA_UNSUPPORTED', `${this.address} has no function-level reset`, {
        hint: 'bring the device to rest through its own registers; clearMaster() stops its DMA',
      })
    }
    this.kernel.ioctl(this.#handles.fd, vfio.VFIO_DEVICE_RESET, 0, 'VFIO_DEVICE_RESET')
    this.#readBusMaster()
  }

  protected override whyNotReady(): DmaError {
    return new DmaError(
      'DMA_BUS_MASTER_OFF',
      `bus mastering of ${this.address} is off: it could move nothing`,
      {
        hint: 'call device.setMaster() before mapping memory',
      },
    )
  }

  protected override quiesce(): void {
    closeAll([() => this.#setMasterBit(false), () => this.#interrupts?.close()])
  }

  /** Mappings of registers go first: VFIO keeps the group busy while one is left. */
  protected override release(): void {
    const { kernel } = this
    const { fd, group, container } = this.#handles
    closeAll([
      ...[...this.#bars.values(), this.config].map((region) => () => region.close()),
      () => kernel.close(fd),
      () => group.close(),
      () => container.close(),
    ])
  }

  #readBusMaster(): void {
    const on = (this.config.read16(vfio.PCI_COMMAND) & vfio.PCI_COMMAND_MASTER) !== 0
    this.dmaReady = on && !this.closed
  }

  #setMasterBit(on: boolean): void {
    const command = this.config.read16(vfio.PCI_COMMAND)
    const value = on ? command | vfio.PCI_COMMAND_MASTER : command & ~vfio.PCI_COMMAND_MASTER
    this.config.write16(vfio.PCI_COMMAND, value)
  }
}

/**
 * Opens a PCI device that is bound to vfio-pci. Root is not needed once the group's node in /dev/vfio belongs to the
 * user; what is missing is said with the command that mends it.
 * @param address for example `0000:00:04.0`; the domain may be left out
 * @throws DMA_INVALID_ARGUMENT, DMA_NO_DEVICE, DMA_NO_IOMMU, DMA_NOT_BOUND, DMA_GROUP_NOT_VIABLE; EACCES, EBUSY, EPERM with
 *   a hint. Nothing stays open then.
 * @example
 * ```ts
 * using device = openVfioDevice('0000:00:04.0', { kernel })
 * const registers = device.bar(0)
 * ```
 */
export function openVfioDevice(address: string, options: VfioDeviceOptions = {}): VfioDevice {
  assertOptions('openVfioDevice', options, ['kernel'])
  const bdf = parsePciAddress(address)
  const kernel = options.kernel ?? linuxKernel()
  const pci = readPciDevice(kernel, bdf)
  const groupNumber = assertUsable(pci)
  const undo: (() => void)[] = []
  try {
    const container = VfioContainer.open(kernel)
    undo.unshift(() => container.close())
    const group = VfioGroup.open(kernel, groupNumber)
    undo.unshift(() => group.close())
    group.join(container)
    container.setIommu()
    const fd = group.openDevice(bdf)
    undo.unshift(() => kernel.close(fd))
    const info = readDeviceInfo(kernel, fd)
    return new VfioDevice({ pci, container, group, fd, info }, new VfioDmaOps(container, container.info()))
  } catch (error) {
    // The reason why it could not be opened tells more than a failure to close what had been.
    closeQuietly(undo)
    throw error
  }
}

/** @returns the number of the device's IOMMU group */
function assertUsable({ address, driver, iommuGroup }: PciDeviceInfo): string {
  if (iommuGroup === undefined) {
    throw new DmaError('DMA_NO_IOMMU', `${address} is in no IOMMU group: no IOMMU is on`, {
      hint: "enable VT-d or AMD-Vi in the firmware and boot with 'intel_iommu=on' (Intel; AMD needs nothing); 'dmesg | grep -i -e DMAR -e IOMMU' tells",
    })
  }
  if (driver !== 'vfio-pci') {
    throw new DmaError('DMA_NOT_BOUND', `${address} is bound to ${driver ?? 'no driver'}, not to vfio-pci`, {
      hint: bindCommands(address, driver),
    })
  }
  return iommuGroup
}

function closeQuietly(steps: readonly (() => void)[]): void {
  try {
    closeAll(steps)
  } catch {}
}
