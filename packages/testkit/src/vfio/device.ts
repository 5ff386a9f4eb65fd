import { fail } from '../errors'
import type { DescriptorTable } from '../kernel/descriptor-table'
import type { EventFd } from '../kernel/eventfd'
import type { MappingOwner } from '../memory/mapping'
import type { PciFunction } from '../pci/function'
import {
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from './abi'
import { VfioDeviceFile } from './device-file'
import type { GroupFile } from './group'
import { eventFdOf, type IrqSet, VfioInterrupts } from './interrupts'
import { VirtualConfig } from './virtual-config'

/** What vfio-pci devices need of their machine. */
export interface VfioDeviceParts {
  readonly descriptors: DescriptorTable
  readonly open: MappingOwner['open']
  readonly addressSpace: MappingOwner['addressSpace']
}

/** A function bound to vfio-pci: what all descriptors of the device share. */
export class VfioPciDevice {
  readonly interrupts: VfioInterrupts
  readonly #parts: VfioDeviceParts
  #openCount = 0
  #savedConfig: Uint8Array = new Uint8Array()
  #config: VirtualConfig | undefined
  #requestTrigger: EventFd | undefined

  constructor(
    readonly pci: PciFunction,
    parts: VfioDeviceParts,
  ) {
    this.#parts = parts
    this.interrupts = new VfioInterrupts(pci, parts.descriptors)
  }

  /** Whether a descriptor, or a mapping of registers, holds the device open. */
  get inUse(): boolean {
    return this.#openCount > 0
  }

  /** A new description of the device. The first one enables and resets it, with bus mastering off. */
  open(group: GroupFile): VfioDeviceFile {
    const device = this.pci
    if (this.#openCount === 0) {
      device.config.clearMaster()
      device.enable()
      if (device.model.resettable) device.reset()
      this.#savedConfig = device.config.save()
      this.#config = new VirtualConfig(device)
    }
    this.#openCount++
    return new VfioDeviceFile(this, group, this.#parts)
  }

  /** A description is gone. The last one stops the device and puts its configuration back. */
  closed(): void {
    this.#openCount--
    if (this.#openCount > 0) return
    const device = this.pci
    this.interrupts.disable()
    this.#setRequestTrigger(undefined)
    device.config.restore(this.#savedConfig)
    if (device.model.resettable) device.reset()
    device.disable()
  }

  /** Reads or writes configuration space as programs see it. */
  accessConfig(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    if (direction === 'read') this.#config!.read(byteOffset, bytes)
    else {
      const before = this.pci.config.interruptPinEnabled
      this.#config!.write(byteOffset, bytes, this.interrupts.active === VFIO_PCI_MSI_IRQ_INDEX)
      if (this.pci.config.interruptPinEnabled !== before) this.interrupts.pinSwitched(!before)
    }
  }

  /** Asks the program to let go of the device: somebody wants to unbind it. */
  requestRelease(): void {
    this.#requestTrigger?.signal()
  }

  /** VFIO_DEVICE_GET_IRQ_INFO of an index: `EINVAL` for one that the device cannot have. */
  irqInfo(index: number): { flags: number; count: number } {
    const count = this.irqCount(index)
    if (index === VFIO_PCI_INTX_IRQ_INDEX) {
      return { count, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED }
    }
    const growing = index === VFIO_PCI_MSIX_IRQ_INDEX && count > 0
    return { count, flags: VFIO_IRQ_INFO_EVENTFD | (growing ? 0 : VFIO_IRQ_INFO_NORESIZE) }
  }

  /** Vectors of an index. The error index is for PCI Express functions, which the fake ones are not. */
  irqCount(index: number): number {
    const { pin = true, msi = 0, msix } = this.pci.model.interrupts
    switch (index) {
      case VFIO_PCI_INTX_IRQ_INDEX:
        return pin ? 1 : 0
      case VFIO_PCI_MSI_IRQ_INDEX:
        return msi
      case VFIO_PCI_MSIX_IRQ_INDEX:
        return msix?.vectors ?? 0
      case VFIO_PCI_REQ_IRQ_INDEX:
        return 1
      default:
        return fail('EINVAL', `no interrupt index ${index}`)
    }
  }

  /** VFIO_DEVICE_SET_IRQS: an action that an index does not have is `ENOTTY`. */
  setIrqs(set: IrqSet, action: number): void {
    if (set.index === VFIO_PCI_REQ_IRQ_INDEX) {
      if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) fail('ENOTTY')
      this.#setRequest(set)
    } else if (action === VFIO_IRQ_SET_ACTION_TRIGGER) {
      this.interrupts.trigger(set)
    } else if (set.index === VFIO_PCI_INTX_IRQ_INDEX && action === VFIO_IRQ_SET_ACTION_MASK) {
      this.interrupts.setMasked(set, true)
    } else if (set.index === VFIO_PCI_INTX_IRQ_INDEX && action === VFIO_IRQ_SET_ACTION_UNMASK) {
      this.interrupts.setMasked(set, false)
    } else {
      fail('ENOTTY', 'that interrupt index has no such action')
    }
  }

  #setRequest({ count, data }: IrqSet): void {
    if (count > 1) fail('EINVAL', 'the request interrupt has one vector')
    if (data.kind === 'none') {
      if (this.#requestTrigger === undefined) fail('EINVAL', 'the request interrupt has no trigger')
      if (count === 1) this.requestRelease()
      else this.#setRequestTrigger(undefined)
      return
    }
    if (count === 0) fail('EINVAL', 'count is 0')
    if (data.kind === 'eventfd')
      this.#setRequestTrigger(eventFdOf(this.#parts.descriptors, data.descriptors[0]!))
    else if (data.flags[0]) this.requestRelease()
  }

  #setRequestTrigger(trigger: EventFd | undefined): void {
    trigger?.retain()
    this.#requestTrigger?.release()
    this.#requestTrigger = trigger
  }
}
