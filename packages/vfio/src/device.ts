import {
  applyChecked,
  assertChecked,
  assertOptions,
  bouncedByKernel,
  closeAll,
  type DmaChecker,
  DmaDevice,
  DmaError,
  type DmaOps,
  IoRegion,
  type Kernel,
  kernelOption,
} from '@linux-dma/core'
import {
  type BarPart,
  bindCommands,
  bindWarning,
  PciConfigSpace,
  type PciDeviceInfo,
  parsePciAddress,
  readPciDevice,
} from '@linux-dma/pci'
import { type OpenedDevice, openBar } from './bar'
import * as vfio from './constants'
import { VfioContainer } from './container'
import { readDeviceInfo } from './device-info'
import { VfioGroup } from './group'
import { chooseInterrupts, type InterruptOptions } from './interrupt-kind'
import { RemovalRequest } from './removal-request'
import { VfioDmaOps } from './vfio-dma-ops'
import { VfioInterruptStream } from './vfio-interrupt-stream'

/** How to open: see {@link openVfioDevice}. */
export interface VfioDeviceOptions {
  /** The real kernel by default; a fake machine's in tests. */
  kernel?: Kernel
  /**
   * Watch what the driver does with the DMA API: `true` for a {@link DmaChecker} that throws, or one of one's own; `false` for none. A fake
   * machine watches all of its devices beside that, as its own option `checks` says.
   */
  checked?: boolean | DmaChecker
}

/** What a device holds open, in the order it was opened. */
interface Handles extends OpenedDevice {
  readonly pci: PciDeviceInfo
  readonly container: VfioContainer
  readonly group: VfioGroup
  readonly removal: RemovalRequest
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
  /**
   * PCI configuration space, in accesses of 8 to 32 bits. A write that would make mapped registers fault is refused with
   * DMA_BAR_IN_USE.
   */
  readonly config: IoRegion
  readonly #handles: Handles
  readonly #config: PciConfigSpace
  /** Whole BARs, by index. */
  readonly #bars = new Map<number, IoRegion>()
  /** All that `bar()` gave, and those of them that are mapped into this process. */
  readonly #openBars = new Set<IoRegion>()
  readonly #mappedBars = new Set<IoRegion>()
  #interrupts: VfioInterruptStream | undefined

  /** @internal use {@link openVfioDevice} */
  constructor(handles: Handles, ops: DmaOps) {
    const { pci, container, info, fd } = handles
    super(pci.address, container.kernel, ops)
    this.#handles = handles
    this.address = pci.address
    this.vendorId = pci.vendorId
    this.deviceId = pci.deviceId
    this.#config = new PciConfigSpace(
      this.kernel,
      fd,
      info.regions.get(vfio.VFIO_PCI_CONFIG_REGION_INDEX)!,
      pci.address,
      {
        hasMappedRegisters: () => [...this.#mappedBars].some((bar) => !bar.closed),
        onBusMaster: (on) => this.setReady(on && !this.closed),
      },
    )
    const name = `${this.address} configuration space`
    this.config = new IoRegion(this.#config.window, { name, clock: this.kernel.clock, ownsWindow: false })
    this.setReady(this.#config.busMaster)
    this.watchForLeak()
  }

  /**
   * Aborted, with DMA_REMOVAL_REQUESTED as its reason, when the kernel wants the device back: somebody unbinds it, or it
   * is being unplugged. Close the device then. Made to be passed on: `interrupts({ signal: device.removalRequest })`.
   */
  get removalRequest(): AbortSignal {
    return this.#handles.removal.signal
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
    this.#config.busMaster = true
  }

  /** Stops the device from starting transfers. Mirrors `pci_clear_master()`. @throws DMA_CLOSED */
  clearMaster(): void {
    this.assertOpen()
    this.#config.busMaster = false
  }

  /**
   * The registers behind a BAR, mapped at the first call: the same object each time while it is open. A BAR that cannot
   * be mapped (I/O ports, for one) is reached by system calls.
   * @param index 0 to 5, the number of the BAR
   * @param part only these bytes of it, as a region of their own. Needed for a BAR above 2 GiB.
   * @throws DMA_NO_REGION where the device has no such BAR; DMA_BAR_DISABLED while it does not decode; DMA_RANGE;
   *   DMA_TOO_LARGE; DMA_CLOSED; ENOMEM and what else mmap answers
   */
  bar(index: number, part?: BarPart): IoRegion {
    this.assertOpen()
    const known = part === undefined ? this.#bars.get(index) : undefined
    if (known && !known.closed) return known
    const { region, mapped } = openBar(this.kernel, this.#handles, index, part, () =>
      this.#config.assertDecoding(),
    )
    if (part === undefined) this.#bars.set(index, region)
    for (const bars of [this.#openBars, this.#mappedBars]) {
      for (const bar of bars) if (bar.closed) bars.delete(bar)
    }
    this.#openBars.add(region)
    if (mapped) this.#mappedBars.add(region)
    return region
  }

  /**
   * Enables interrupts and gives them as an async iterator, with how often each came. They are on when this returns:
   * call it before starting the device.
   * @throws DMA_INTERRUPT_IN_USE while another stream is open; DMA_NO_INTERRUPT; DMA_INVALID_ARGUMENT; DMA_CLOSED;
   *   DMA_BUS_MASTER_OFF for MSI and MSI-X, which are writes of the device; the
   *   signal's reason where it is already aborted
   * @example
   * ```ts
   * for await (const { count } of device.interrupts({ signal })) {
   *   acknowledge(registers)
   * }
   * ```
   */
  interrupts(options: InterruptOptions = {}): VfioInterruptStream {
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
    // A message-signalled interrupt is a write that the device makes.
    if (chosen.kind !== 'intx') this.assertReady()
    const onClose = () => {
      this.#interrupts = undefined
    }
    const source = {
      kernel: this.kernel,
      fd: this.#handles.fd,
      canSignal: () => chosen.kind === 'intx' || this.busMaster,
    }
    this.#interrupts = new VfioInterruptStream(source, chosen, options.signal, onClose)
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
    this.setReady(false)
    this.kernel.ioctl(this.#handles.fd, vfio.VFIO_DEVICE_RESET, 0, 'VFIO_DEVICE_RESET')
    this.setReady(this.#config.busMaster)
  }

  protected override whyNotReady(): DmaError {
    return new DmaError(
      'DMA_BUS_MASTER_OFF',
      `bus mastering of ${this.address} is off: it could move nothing`,
      {
        hint: 'call device.setMaster() first: before mapping memory, before reading its address for the device, and before enabling MSI or MSI-X; an unmap needs no address: pass it the mapping',
      },
    )
  }

  protected override quiesce(): void {
    closeAll([
      () => {
        this.#config.busMaster = false
      },
      () => this.#interrupts?.close(),
    ])
  }

  /** Mappings of registers go first: VFIO keeps the group busy while one is left. */
  protected override release(): void {
    const { kernel } = this
    const { fd, group, container, removal } = this.#handles
    closeAll([
      ...[...this.#openBars, this.config, this.#config.window].map((region) => () => region.close()),
      () => removal.close(),
      () => kernel.close(fd),
      () => {
        try {
          closeAll([() => group.close(), () => container.close()])
        } finally {
          // With its descriptors the whole address space is gone, unless a mapping of registers still holds the device.
          if ([...this.#mappedBars].every((bar) => bar.closed)) this.provenQuiet()
        }
      },
    ])
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
  assertOptions('openVfioDevice', options, ['kernel', 'checked'])
  assertChecked('openVfioDevice', options.checked)
  const bdf = parsePciAddress(address)
  const kernel = kernelOption('openVfioDevice', options.kernel)
  const pci = readPciDevice(kernel, bdf)
  const groupNumber = assertUsable(kernel, pci)
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
    const info = readDeviceInfo(kernel, fd, bdf)
    const removal = new RemovalRequest(kernel, fd, info.irqs, bdf)
    undo.unshift(() => removal.close())
    const ops = new VfioDmaOps(container, container.info())
    const handles = { pci, container, group, fd, info, removal }
    const device = new VfioDevice(handles, bouncedByKernel(kernel, ops))
    applyChecked(device, options.checked)
    return device
  } catch (error) {
    // The reason why it could not be opened tells more than a failure to close what had been.
    closeQuietly(undo)
    throw error
  }
}

/** @returns the number of the device's IOMMU group */
function assertUsable(kernel: Kernel, { address, driver, iommuGroup }: PciDeviceInfo): string {
  if (iommuGroup === undefined) {
    throw new DmaError('DMA_NO_IOMMU', `${address} is in no IOMMU group: no IOMMU is on`, {
      hint: "enable VT-d or AMD-Vi in the firmware and boot with 'intel_iommu=on' (Intel; AMD needs nothing); 'dmesg | grep -i -e DMAR -e IOMMU' tells",
    })
  }
  // vfio-pci, or a variant of it for one kind of device: mlx5_vfio_pci, nvgrace-gpu-vfio-pci.
  if (!/(^|[-_])vfio([-_]|$)/.test(driver ?? '')) {
    throw new DmaError('DMA_NOT_BOUND', `${address} is bound to ${driver ?? 'no driver'}, not to vfio-pci`, {
      hint: `${bindWarning(kernel, driver)}${bindCommands(address, driver, 'vfio-pci')}`,
    })
  }
  return iommuGroup
}

function closeQuietly(steps: readonly (() => void)[]): void {
  try {
    closeAll(steps)
  } catch {}
}
