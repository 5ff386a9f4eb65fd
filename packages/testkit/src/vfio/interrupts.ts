import { fail } from '../errors'
import type { DescriptorTable } from '../kernel/descriptor-table'
import { EventFd } from '../kernel/eventfd'
import type { InterruptSink, MessageFate, PciFunction } from '../pci/function'
import { VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX } from './abi'

/** A checked VFIO_DEVICE_SET_IRQS, without its action. */
export interface IrqSet {
  readonly index: number
  readonly start: number
  readonly count: number
  /** What the data says for each vector: a descriptor (-1 for none), a flag, or nothing. */
  readonly data:
    | { kind: 'none' }
    | { kind: 'bool'; flags: readonly boolean[] }
    | { kind: 'eventfd'; descriptors: readonly number[] }
}

type MessageIndex = typeof VFIO_PCI_MSI_IRQ_INDEX | typeof VFIO_PCI_MSIX_IRQ_INDEX

/** INTx, MSI and MSI-X of a vfio-pci device (drivers/vfio/pci/vfio_pci_intrs.c): one kind is on at a time. */
export class VfioInterrupts implements InterruptSink {
  readonly #device: PciFunction
  readonly #descriptors: DescriptorTable
  /** Index of the kind that is on. */
  #active: number | undefined
  /** Vectors that are allocated: more than have a trigger, perhaps. */
  #vectors = 0
  readonly #triggers = new Map<number, EventFd>()
  /** Vectors of MSI that nobody was ever told of, each with whether a message of it has come meanwhile. */
  readonly #unheard = new Map<number, boolean>()
  #masked = false
  #telling = false
  /** The trigger unmasks the line itself: the kernel tells of it again and again, until the line is down. */
  #repeating = false
  #stopUnmaskListener: () => void = () => {}

  constructor(device: PciFunction, descriptors: DescriptorTable) {
    this.#device = device
    this.#descriptors = descriptors
    device.sink = this
  }

  get enabled(): boolean {
    return this.#active !== undefined
  }

  /** Index of the kind that is on. */
  get active(): number | undefined {
    return this.#active
  }

  /** A program can turn them off in configuration space while their vectors are there. */
  get messages(): boolean {
    return this.#hasVectors && this.#device.config.messagesEnabled(this.#messageKind)
  }

  get #hasVectors(): boolean {
    return this.#active === VFIO_PCI_MSI_IRQ_INDEX || this.#active === VFIO_PCI_MSIX_IRQ_INDEX
  }

  message(vector: number): MessageFate {
    const trigger = this.#triggers.get(vector)
    if (trigger) {
      trigger.signal()
      return 'delivered'
    }
    return this.#keep(vector) ? 'kept' : 'lost'
  }

  /**
   * However many messages of a vector come while nobody listens, one is remembered. A vector of MSI-X is masked then, and the
   * device itself remembers; MSI cannot be masked, and the kernel remembers until somebody has listened once.
   */
  #keep(vector: number): boolean {
    if (this.#active === VFIO_PCI_MSIX_IRQ_INDEX) this.#device.pendingMessages.add(vector)
    else if (this.#unheard.has(vector)) this.#unheard.set(vector, true)
    else return false
    return true
  }

  /** Takes what was remembered of a vector. */
  #takeKept(vector: number): boolean {
    if (this.#active === VFIO_PCI_MSIX_IRQ_INDEX) return this.#device.pendingMessages.delete(vector)
    const kept = this.#unheard.get(vector) === true
    this.#unheard.delete(vector)
    return kept
  }

  /** The kernel masks the line before it tells the program: the line stays up until the device is served. */
  lineAsserted(): void {
    if (this.#active !== VFIO_PCI_INTX_IRQ_INDEX || (this.#masked && !this.#repeating)) return
    this.#masked = true
    this.#repeating = false
    this.#telling = true
    this.#triggers.get(0)?.signal()
    this.#telling = false
  }

  /** The pin was switched on or off in configuration space: INTx is masked by that, or unmasked. */
  pinSwitched(on: boolean): void {
    if (this.#active === VFIO_PCI_INTX_IRQ_INDEX) this.#mask(!on)
  }

  /** ACTION_MASK and ACTION_UNMASK, of INTx only. */
  setMasked(set: IrqSet, masked: boolean): void {
    if (this.#active !== VFIO_PCI_INTX_IRQ_INDEX || set.start !== 0 || set.count !== 1) {
      fail('EINVAL', 'INTx is not enabled, or the range is not its one vector')
    }
    const { data } = set
    if (data.kind === 'eventfd') {
      if (masked) fail('ENOTTY', 'masking by eventfd is not implemented in the kernel either')
      this.#listenForUnmask(data.descriptors[0]!)
    } else if (data.kind === 'none' || data.flags[0]) {
      this.#mask(masked)
    }
  }

  /** ACTION_TRIGGER: sets, clears and fires triggers, and turns the kind on and off. */
  trigger(set: IrqSet): void {
    if (set.index === VFIO_PCI_INTX_IRQ_INDEX) this.#triggerIntx(set)
    else this.#triggerMessages(set, set.index as MessageIndex)
  }

  /** Turns off whatever is on. */
  disable(): void {
    for (const vector of [...this.#triggers.keys()]) this.#setTrigger(vector, undefined)
    this.#stopUnmaskListener()
    if (this.#hasVectors) this.#device.config.setMessagesEnabled(this.#messageKind, false)
    this.#active = undefined
    this.#vectors = 0
    this.#unheard.clear()
    this.#masked = false
    this.#repeating = false
  }

  #triggerIntx({ start, count, data }: IrqSet): void {
    const active = this.#active === VFIO_PCI_INTX_IRQ_INDEX
    if (active && count === 0 && data.kind === 'none') {
      this.disable()
      return
    }
    if ((!active && this.#active !== undefined) || start !== 0 || count !== 1) {
      fail('EINVAL', 'another kind of interrupt is enabled, or the range is not the one vector of INTx')
    }
    if (data.kind !== 'eventfd') {
      if (!active) fail('EINVAL', 'INTx is not enabled')
      const asked = data.kind === 'none' || data.flags[0]
      // Of a pin that is switched off nothing is told, though a program asks for it.
      if (asked && this.#device.config.interruptPinEnabled) this.#triggers.get(0)?.signal()
      return
    }
    const trigger = this.#eventFd(data.descriptors[0]!)
    if (!active) this.#masked = !this.#device.config.interruptPinEnabled
    this.#active = VFIO_PCI_INTX_IRQ_INDEX
    this.#setTrigger(0, trigger)
    if (this.#device.lineAsserted) this.lineAsserted()
  }

  #triggerMessages({ start, count, data }: IrqSet, index: MessageIndex): void {
    const active = this.#active === index
    if (active && count === 0 && data.kind === 'none') {
      this.disable()
      return
    }
    if (!active && this.#active !== undefined) fail('EINVAL', 'another kind of interrupt is enabled')
    if (data.kind === 'eventfd') {
      if (active) {
        this.#setBlock(start, data.descriptors, index)
        return
      }
      if (start + count === 0) fail('ERANGE', 'no vectors to allocate')
      this.#active = index
      this.#vectors = start + count
      if (index === VFIO_PCI_MSI_IRQ_INDEX)
        for (let vector = 0; vector < this.#vectors; vector++) this.#unheard.set(vector, false)
      this.#device.config.setMessagesEnabled(this.#messageKind, true)
      // A function that sends messages drives no pin.
      this.#device.setInterruptLevel(false)
      try {
        this.#setBlock(start, data.descriptors, index)
      } catch (error) {
        this.disable()
        throw error
      }
      return
    }
    if (!active) fail('EINVAL', 'that kind of interrupt is not enabled')
    for (let vector = start; vector < start + count; vector++) {
      if (data.kind === 'none' || data.flags[vector - start]) this.#triggers.get(vector)?.signal()
    }
  }

  /** All of a block or none of it: what was set before the failure is taken back. */
  #setBlock(start: number, descriptors: readonly number[], index: MessageIndex): void {
    descriptors.forEach((descriptor, offset) => {
      const vector = start + offset
      try {
        // MSI vectors are allocated all at once; those of MSI-X may be added.
        if (vector >= this.#vectors && index === VFIO_PCI_MSI_IRQ_INDEX)
          fail('EINVAL', `vector ${vector} is not enabled`)
        // Whoever listened before does no longer, though the new one be none that can.
        this.#setTrigger(vector, undefined)
        this.#setTrigger(vector, this.#eventFd(descriptor))
        this.#vectors = Math.max(this.#vectors, vector + 1)
      } catch (error) {
        for (let undo = start; undo < vector; undo++) this.#setTrigger(undo, undefined)
        throw error
      }
    })
  }

  get #messageKind(): 'msi' | 'msix' {
    return this.#active === VFIO_PCI_MSI_IRQ_INDEX ? 'msi' : 'msix'
  }

  #setTrigger(vector: number, trigger: EventFd | undefined): void {
    trigger?.retain()
    const before = this.#triggers.get(vector)
    if (before) before.onRead = undefined
    before?.release()
    if (!before !== !trigger) this.#device.listens(vector, trigger !== undefined)
    if (trigger) trigger.onRead = (count) => this.#device.delivered(vector, count)
    if (trigger === undefined) {
      this.#triggers.delete(vector)
      return
    }
    this.#triggers.set(vector, trigger)
    if (this.#takeKept(vector)) trigger.signal()
  }

  #eventFd(descriptor: number): EventFd | undefined {
    return eventFdOf(this.#descriptors, descriptor)
  }

  #mask(masked: boolean): void {
    if (this.#telling && !masked) {
      this.#repeating = true
      return
    }
    // While the pin is off nothing unmasks it.
    if (!masked && !this.#device.config.interruptPinEnabled) return
    this.#masked = masked
    // A line that is still up fires again at once.
    if (!masked && this.#device.lineAsserted) this.lineAsserted()
  }

  #listenForUnmask(descriptor: number): void {
    this.#stopUnmaskListener()
    this.#stopUnmaskListener = () => {}
    const eventfd = this.#eventFd(descriptor)
    if (eventfd === undefined) return
    eventfd.retain()
    const stop = eventfd.intercept(() => this.#mask(false))
    this.#stopUnmaskListener = () => {
      stop()
      eventfd.release()
      this.#stopUnmaskListener = () => {}
    }
  }
}

/** The eventfd behind a descriptor: none for -1. `EBADF`, or `EINVAL` for another kind of file. */
export function eventFdOf(descriptors: DescriptorTable, descriptor: number): EventFd | undefined {
  if (descriptor < 0) return undefined
  const file = descriptors.get(descriptor)
  return file instanceof EventFd ? file : fail('EINVAL', `${file.path} is no eventfd`)
}
