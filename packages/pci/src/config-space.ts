import { DmaError, FileRegisterWindow, type Kernel } from '@linux-dma/core'
import { findCapability } from './capability'
import * as pci from './constants'

/** What the owner of a configuration space wants to be asked and told. */
export interface ConfigWatcher {
  /** Whether registers of the device are mapped into this process now. */
  hasMappedRegisters(): boolean
  /**
   * Bus mastering may have changed.
   * @param before how a write of this process found it; undefined where nothing was written
   */
  onBusMaster(on: boolean, before?: boolean): void
  /** Whether bus mastering is off as far as this owner knows: then no write that is about other bits turns it on. */
  isMasterOff?(): boolean
  /** Refuses an access, by what it throws, where the device is no longer this owner's. */
  assertOwned?(writes: boolean): void
}

/**
 * The configuration space of an open device, in which it watches every write, whoever makes it: bus mastering decides
 * whether DMA addresses may be handed out, and memory that stops answering while it is mapped ends the process.
 */
export class PciConfigSpace {
  /** All of configuration space. */
  readonly window: FileRegisterWindow
  readonly #name: string
  readonly #watcher: ConfigWatcher
  readonly #kernel: Pick<Kernel, 'read' | 'write'>
  readonly #fd: number
  readonly #commandPosition: number
  /** PCI_COMMAND on its way. */
  readonly #command = new Uint8Array(2)
  /** Where the power management registers are: undefined for a device that has none. */
  readonly #powerControl: number | undefined
  /** As the write that is being made found it. */
  #masterBefore = false

  constructor(
    kernel: Pick<Kernel, 'read' | 'write'>,
    fd: number,
    place: { position: number; byteLength: number },
    name: string,
    watcher: ConfigWatcher,
  ) {
    this.#name = name
    this.#watcher = watcher
    this.#kernel = kernel
    this.#fd = fd
    this.#commandPosition = place.position + pci.PCI_COMMAND
    this.window = new FileRegisterWindow(kernel, fd, {
      ...place,
      name: `${name} configuration space`,
      beforeAccess: (writes) => watcher.assertOwned?.(writes),
      beforeWrite: (byteOffset, bytes) => {
        this.#refuseWhatFaults(byteOffset, bytes)
        if (byteOffset <= pci.PCI_COMMAND + 1) this.#masterBefore = this.busMaster
      },
      onWrite: (byteOffset) => {
        if (byteOffset <= pci.PCI_COMMAND + 1) watcher.onBusMaster(this.busMaster, this.#masterBefore)
      },
    })
    const power = findCapability(this.window, pci.PCI_CAP_ID_PM)
    this.#powerControl = power === undefined ? undefined : power + pci.PCI_PM_CTRL
  }

  /** Off, too, where the device is gone: then all bits read as ones. */
  get busMaster(): boolean {
    const command = this.window.read16(pci.PCI_COMMAND)
    return command !== 0xffff && (command & pci.PCI_COMMAND_MASTER) !== 0
  }

  set busMaster(on: boolean) {
    // Not to be relied upon from here until it has been read back.
    this.#watcher.onBusMaster(false)
    // One byte only: in the other one the kernel masks the pin interrupt at any time.
    const command = this.window.read8(pci.PCI_COMMAND)
    const bit = pci.PCI_COMMAND_MASTER
    this.window.write8(pci.PCI_COMMAND, on ? command | bit : command & ~bit)
  }

  /** @throws DMA_BAR_DISABLED while the device does not answer accesses to its memory BARs */
  assertDecoding(): void {
    if (this.#decodes && this.#awake) return
    const what = this.#decodes ? 'the device sleeps' : 'its memory decoding is off'
    throw new DmaError(
      'DMA_BAR_DISABLED',
      `${this.#name}: ${what}, and an access to mapped registers would end the process`,
      {
        hint: this.#decodes
          ? 'wake it: write power state 0 to its power management capability'
          : 'switch it on: device.config.write16(4, device.config.read16(4) | 2)',
      },
    )
  }

  /** Whether the pin interrupt is held back. Off while the device is gone. */
  get intxDisabled(): boolean {
    return (this.window.read16(pci.PCI_COMMAND) & pci.PCI_COMMAND_INTX_DISABLE) !== 0
  }

  /**
   * Mirrors `pci_intx()`, the other way round. Two system calls and nothing else, since a driver does it for each interrupt: the
   * bit decides neither bus mastering nor whether registers answer.
   */
  set intxDisabled(disabled: boolean) {
    this.#watcher.assertOwned?.(false)
    if (this.window.closed) throw new DmaError('DMA_CLOSED', `${this.#name} is closed`)
    // Both bytes: QEMU 7.2, for one, looks at the line again only where a write covers the lower one.
    const command = this.#command
    this.#kernel.read(this.#fd, command, this.#commandPosition)
    const bit = pci.PCI_COMMAND_INTX_DISABLE >>> 8
    command[1] = disabled ? command[1]! | bit : command[1]! & ~bit
    // The kernel may turn it off after it was read, when another process closes the device: that must not be undone.
    if (this.#watcher.isMasterOff?.()) command[0]! &= ~pci.PCI_COMMAND_MASTER
    this.#kernel.write(this.#fd, command, this.#commandPosition)
  }

  get #decodes(): boolean {
    return (this.window.read16(pci.PCI_COMMAND) & pci.PCI_COMMAND_MEMORY) !== 0
  }

  get #awake(): boolean {
    const at = this.#powerControl
    return at === undefined || (this.window.read8(at) & pci.PCI_PM_CTRL_STATE_MASK) === 0
  }

  /** The kernel answers an access to mapped registers that do not decode with SIGBUS, which no program survives. */
  #refuseWhatFaults(byteOffset: number, bytes: Uint8Array): void {
    if (!this.#watcher.hasMappedRegisters()) return
    const command = byteAt(pci.PCI_COMMAND, byteOffset, bytes)
    const power = this.#powerControl === undefined ? undefined : byteAt(this.#powerControl, byteOffset, bytes)
    const memoryOff = command !== undefined && (command & pci.PCI_COMMAND_MEMORY) === 0 && this.#decodes
    const powerOff = power !== undefined && (power & pci.PCI_PM_CTRL_STATE_MASK) !== 0 && this.#awake
    if (!(memoryOff || powerOff)) return
    const what = memoryOff ? 'switch its memory decoding off' : 'put it to sleep'
    throw new DmaError(
      'DMA_BAR_IN_USE',
      `${this.#name}: this write would ${what} while its registers are mapped`,
      {
        hint: 'close the regions that device.bar() gave first: an access to them would end the process',
      },
    )
  }
}

/** The byte of a write that lands on one register. */
function byteAt(register: number, byteOffset: number, bytes: Uint8Array): number | undefined {
  return bytes[register - byteOffset]
}
