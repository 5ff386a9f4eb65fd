import { DmaError, type FileDescriptor, type Kernel, type MemoryMapping } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import { closed as forget, watchForLeak } from '../checks/leaks'
import { assertOptions, assertRange } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaRegion } from '../mapping/region'
import type { DmaAddress } from '../vocabulary/address'
import { noteOwner } from './memory-of'
import { MemoryPins } from './memory-pins'
import type { DmaPin } from './pin'
import { ProcessMapping } from './process-mapping'

/** A device that may still reach pages, although they were to be taken from it. @internal */
export interface Suspect {
  readonly closed: boolean
}

/** What shows DMA memory to other drivers of the kernel: a dma-buf of its pages, or of some of them. */
export interface MemoryExport {
  readonly fd: FileDescriptor
  /** Bytes. */
  readonly size: number
  readonly closed: boolean
}

/** What holds DMA memory for a device beside regions, and has to let go of it before the pages go. */
export interface MemoryUser {
  close(): void
}

/**
 * Memory that devices can be given: a sealed memfd, mapped shared and kept out of forked children, so that its
 * pages stay where they are once a device has them. The same pages can be mapped for several devices.
 */
export class DmaMemory implements Disposable {
  readonly kernel: Kernel
  /** Bytes, a multiple of the page size. */
  readonly byteLength: number
  /** Bytes in the huge pages that it is made of; undefined for base pages. */
  readonly hugePageSize: number | undefined
  readonly #fd: FileDescriptor
  readonly #mapping: ProcessMapping
  readonly #regions = new Set<DmaRegion>()
  /** Those of them that others can map parts of. */
  readonly #registered = new Set<DmaRegion>()
  readonly #users = new Set<MemoryUser>()
  readonly #pins: MemoryPins
  /** A program that forgets a dma-buf is told so: nothing keeps it here. */
  readonly #dmaBufs = new Set<WeakRef<MemoryExport>>()
  #state: 'open' | 'closing' | 'quarantined' | 'closed' = 'open'
  #quarantineReason: unknown
  /** Devices that may still reach the pages. */
  readonly #suspects = new Set<Suspect>()

  /** @internal use {@link allocateDmaMemory} */
  constructor(kernel: Kernel, fd: FileDescriptor, mapping: MemoryMapping, hugePageSize?: number) {
    this.kernel = kernel
    this.byteLength = mapping.byteLength
    this.hugePageSize = hugePageSize
    this.#fd = fd
    this.#mapping = new ProcessMapping(kernel, fd, mapping)
    this.#pins = new MemoryPins(kernel, () => this.#mapping.own, hugePageSize)
    noteOwner(mapping.bytes, this)
    watchForLeak(this, 'DMA memory', kernel, this.byteLength)
  }

  /**
   * All of the memory. After `close()` an old view shows zeros; what is written to it is seen through old views alone.
   * @throws DMA_CLOSED; DMA_NO_KERNEL_MAPPING where it was allocated for devices alone
   */
  get bytes(): Uint8Array {
    this.assertOpen()
    return this.#mapping.own.bytes
  }

  /**
   * Process address of the first byte: what a system call that takes a `vaddr` wants.
   * @throws DMA_NO_KERNEL_MAPPING where it was allocated for devices alone
   */
  get address(): number {
    return this.#mapping.own.address
  }

  /** All of the memory, also while it is quarantined. @throws DMA_NO_KERNEL_MAPPING @internal */
  get keptBytes(): Uint8Array {
    return this.#mapping.own.bytes
  }

  /**
   * Calls `use` with that address, for what maps the memory for a device: memory for devices alone is mapped into this
   * process too for as long as that takes, once for all calls within. @internal
   */
  withAddress<Result>(use: (address: number) => Result): Result {
    const address = this.holdAddress()
    try {
      return use(address)
    } finally {
      this.releaseAddress()
    }
  }

  /** That address, good until as many calls of {@link releaseAddress} as of this. @throws ENOMEM; DMA_CLOSED @internal */
  holdAddress(): number {
    this.assertOpen()
    return this.#mapping.hold()
  }

  /** Never throws: what the address was wanted for has been done by then. @internal */
  releaseAddress(): void {
    this.#mapping.release()
  }

  /**
   * The memfd behind the memory, for system calls that take one. Owned by this object.
   * @throws DMA_CLOSED
   */
  get fd(): FileDescriptor {
    this.assertOpen()
    return this.#fd
  }

  get closed(): boolean {
    return this.#state !== 'open'
  }

  /**
   * Whether a device could not be proven to have let go of the pages. They are then kept, and of no more use, until that
   * device is closed; and for as long as the process where that proves nothing either (`DMA_NOT_QUIET`).
   */
  get quarantined(): boolean {
    return this.#state === 'quarantined'
  }

  /** Whether it was allocated for devices alone: its own bytes are not in this process. @internal */
  get hidden(): boolean {
    return this.#mapping.hidden
  }

  /** Whether some of it was given to a device by where it lies, and nothing keeps it there: huge pages that may not be pinned. @internal */
  get movable(): boolean {
    return this.#pins.movable
  }

  /** Where devices have this memory now. */
  get regions(): ReadonlySet<DmaRegion> {
    return this.#regions
  }

  /**
   * Those of them that parts can be mapped in: not the mappings of single buffers, of which a ring may have thousands.
   * @internal
   */
  get registered(): ReadonlySet<DmaRegion> {
    return this.#registered
  }

  /**
   * Where a device finds the first byte: it has to have all of the memory, by a region. The same memory has another address
   * for each device.
   * @throws DMA_NOT_MAPPED where it does not; DMA_BUS_MASTER_OFF; DMA_CLOSED, DMA_QUARANTINED
   * @example
   * ```ts
   * for (const device of [camera, encoder]) createDmaRegion(device, { memory })
   * camera.bar(0).writeAddress(0x10, memory.dmaAddressFor(camera))
   * ```
   */
  dmaAddressFor(device: DmaDevice): DmaAddress {
    this.assertOpen()
    for (const region of this.#registered) {
      const whole = region.memoryOffset === 0 && region.byteLength === this.byteLength
      if (region.device === device && whole) return region.dmaAddress
    }
    throw new DmaError(
      'DMA_NOT_MAPPED',
      `${device.name} does not have the ${this.byteLength} bytes of memory`,
      {
        hint: 'map them once: createDmaRegion(device, { memory })',
      },
    )
  }

  /** The dma-bufs of its pages that are open in this thread, oldest first, as of now. They keep the pages when the memory is closed. */
  get dmaBufs(): ReadonlySet<MemoryExport> {
    const open = new Set<MemoryExport>()
    for (const reference of this.#dmaBufs) {
      const dmaBuf = reference.deref()
      if (dmaBuf) open.add(dmaBuf)
      else this.#dmaBufs.delete(reference)
    }
    return open
  }

  /** Notes a dma-buf that was made of it. @internal */
  attachDmaBuf(dmaBuf: WeakRef<MemoryExport>): void {
    this.#dmaBufs.add(dmaBuf)
  }

  /** Forgets one that was closed, by the same reference. @internal */
  detachDmaBuf(dmaBuf: WeakRef<MemoryExport>): void {
    this.#dmaBufs.delete(dmaBuf)
  }

  /** @throws DMA_CLOSED, DMA_QUARANTINED */
  assertOpen(): void {
    if (this.#state === 'open') return
    if (this.#state === 'quarantined') {
      throw new DmaError(
        'DMA_QUARANTINED',
        'a device may still reach this DMA memory: it could not be taken from it',
        {
          hint: this.#untilWhen(),
          cause: this.#quarantineReason,
        },
      )
    }
    throw new DmaError('DMA_CLOSED', 'the DMA memory is closed', {
      hint: 'allocate new memory with allocateDmaMemory()',
    })
  }

  /** Takes the pages from this process alone: devices that have them pinned keep them. @internal */
  hide(): void {
    this.assertOpen()
    this.#mapping.hide()
  }

  /** Registers a device mapping of this memory, to be closed before the pages go. */
  attach(region: DmaRegion): void {
    this.assertOpen()
    this.#regions.add(region)
    if (!region.temporary) this.#registered.add(region)
  }

  /** Forgets a device mapping that was closed. */
  detach(region: DmaRegion): void {
    this.#regions.delete(region)
    this.#registered.delete(region)
    this.#giveBackIfQuiet()
  }

  /** Registers something else that has this memory, to be closed before the pages go. @throws DMA_CLOSED @internal */
  attachUser(user: MemoryUser): void {
    this.assertOpen()
    this.#users.add(user)
  }

  /** Forgets what was closed. @internal */
  detachUser(user: MemoryUser): void {
    this.#users.delete(user)
    this.#giveBackIfQuiet()
  }

  /** Keeps the pages, since `device` may still reach them. @internal */
  quarantine(device: Suspect, reason: unknown): void {
    this.#state = 'quarantined'
    this.#quarantineReason = reason
    this.#suspects.add(device)
  }

  /** `device` is proven to reach nothing any more. @internal */
  endQuarantine(device: Suspect): void {
    this.#suspects.delete(device)
    this.#giveBackIfQuiet()
  }

  /**
   * Pins the pages that hold a part of the memory, all of it by default: they stay where they are in physical memory until
   * the pin, or the memory, is closed. Memory that is mapped for a device is pinned by that and does not need it.
   * @param byteLength 1 or more
   * @throws EPERM, ENOSYS where this process may have no io_uring; ENOMEM at the memory-lock limit; EMFILE; DMA_RANGE;
   *   DMA_CLOSED, DMA_QUARANTINED, DMA_NO_KERNEL_MAPPING
   * @example
   * ```ts
   * using pin = memory.pin()
   * const address = physicalAddressAt(memory, 0)
   * ```
   */
  pin(byteOffset = 0, byteLength = this.byteLength - byteOffset): DmaPin {
    this.assertOpen()
    assertRange('DMA memory', byteOffset, byteLength, this.byteLength)
    return this.#pins.pin(byteOffset, byteLength)
  }

  /**
   * Pins the pages that hold a part for as long as they are mapped, by a pin that has them already, where there is one: each
   * is a descriptor. The caller calls `release()` of it.
   * @returns undefined for huge pages that may not be pinned: they are swapped by nobody, and moved on request only
   * @throws as {@link pin}
   * @internal
   */
  holdPinned(byteOffset: number, byteLength: number): DmaPin | undefined {
    this.assertOpen()
    return this.#pins.hold(byteOffset, byteLength)
  }

  /**
   * Whether all pages that hold a part stay where they are now: pages that are pinned, those that are mapped for a device
   * through a path that pins, and huge pages, which nobody moves but an administrator who takes a failing one out of use.
   * @throws DMA_RANGE; DMA_CLOSED, DMA_QUARANTINED
   */
  isPinned(byteOffset = 0, byteLength = this.byteLength - byteOffset): boolean {
    this.assertOpen()
    assertRange('DMA memory', byteOffset, byteLength, this.byteLength)
    return this.#pins.covers(byteOffset, byteLength, this.#regions)
  }

  #untilWhen(): string {
    const isOver = [...this.#suspects].some((device) => device.closed)
    return isOver
      ? 'allocate new memory: that device is closed, and nothing proved that it is at rest; this memory is kept until the process ends'
      : 'close that device, which gives the memory back once nothing reaches it any more, and allocate new memory'
  }

  #takeFromDevices(): void {
    closeAll([...this.#users, ...this.#regions].reverse().map((user) => () => user.close()))
  }

  /** Ends a quarantine when the last device that may reach the pages, or properly has them, is out of the way. */
  #giveBackIfQuiet(): void {
    if (this.#state !== 'quarantined' || this.#suspects.size > 0) return
    if (this.#regions.size > 0 || this.#users.size > 0) return
    this.#state = 'open'
    this.close()
  }

  /**
   * Takes the memory from every device that has it, then gives the pages back. Idempotent.
   * @param options.detach also detach the ArrayBuffer, so that late use of a view shows (its length is 0). On
   *   Node 20 the first detach in a process halves the speed of all of its typed arrays.
   * @throws what taking it from a device threw; the memory is then quarantined
   */
  close(options: { detach?: boolean } = {}): void {
    assertOptions('close', options, ['detach'])
    // Kept, and yet no device but the one that did not let go of it is to reach it any longer.
    if (this.#state === 'quarantined') this.#takeFromDevices()
    if (this.#state !== 'open') return
    // A region that owns this memory closes it in turn.
    this.#state = 'closing'
    try {
      this.#takeFromDevices()
      this.#pins.close()
      this.#mapping.close(options)
    } finally {
      // Quarantined meanwhile, or to be tried again: parking the pages needs room for a mapping.
      if ((this.#state as string) === 'closing') this.#state = this.#mapping.closed ? 'closed' : 'open'
    }
    forget(this)
    this.kernel.close(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
