import { DmaError, type FileDescriptor, isDmaError, type Kernel, type MemoryMapping } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import { closed as forget, watchForLeak } from '../checks/leaks'
import { assertOptions, assertRange } from '../checks/validate'
import type { DmaRegion } from '../mapping/region'
import { noteOwner } from './memory-of'
import { type ByteRange, covers, DmaPin, pageRange } from './pin'
import { ProcessMapping } from './process-mapping'

/**
 * As many mappings that are apart get a pin each, which is a descriptor. From then on each pin is of four times as many pages
 * around what is wanted, so that a memory of whatever size has few.
 */
const SMALL_PINS = 4

/** A device that may still reach pages, although they were to be taken from it. @internal */
export interface Suspect {
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
  readonly #pins = new Set<DmaPin>()
  /** Pages around what is wanted that could not be locked: not tried again. */
  #tooMuch = Number.POSITIVE_INFINITY
  #movable = false
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
    noteOwner(mapping.bytes.buffer, this)
    watchForLeak(this, `${this.byteLength} bytes of DMA memory`, kernel)
  }

  /**
   * All of the memory. After `close()` an old view reads zeros and its writes go nowhere.
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
    return this.#movable
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
    const pin = this.kernel.pin(this.#mapping.own, byteOffset, byteLength)
    return new DmaPin(pin, pageRange(byteOffset, byteLength, this.kernel.pageSize), this.#pins)
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
    const range = pageRange(byteOffset, byteLength, this.hugePageSize ?? this.kernel.pageSize)
    const known = this.#pinOf(range)
    const pin = known ?? (this.hugePageSize ? this.#pinHuge(range) : this.#pinAround(byteOffset, byteLength))
    if (pin === undefined) {
      this.#movable = true
      return undefined
    }
    pin.hold()
    // One that was made here goes with the last mapping that holds it.
    if (!known) pin.close()
    return pin
  }

  /**
   * Whether all pages that hold a part stay where they are now: pages that are pinned, those that are mapped for a device
   * through a path that pins, and huge pages, which nobody moves but an administrator who takes a failing one out of use.
   * @throws DMA_RANGE; DMA_CLOSED, DMA_QUARANTINED
   */
  isPinned(byteOffset = 0, byteLength = this.byteLength - byteOffset): boolean {
    this.assertOpen()
    assertRange('DMA memory', byteOffset, byteLength, this.byteLength)
    if (this.hugePageSize !== undefined) return true
    const range = pageRange(byteOffset, byteLength, this.kernel.pageSize)
    if (this.#pinOf(range)) return true
    // No single pin has all of it: what they have between them, and devices.
    const ranges = [...this.#pins].map((pin) => pageRange(pin.byteOffset, pin.byteLength, 1))
    for (const region of this.#regions) {
      if (!region.device.ops.pins) continue
      const mapped = pageRange(region.memoryOffset, region.byteLength, this.kernel.pageSize)
      if (mapped.start <= range.start && mapped.end >= range.end) return true
      ranges.push(mapped)
    }
    return covers(ranges, range)
  }

  /** Whole huge pages, where this process may have an io_uring and may lock as much. */
  #pinHuge({ start, end }: ByteRange): DmaPin | undefined {
    try {
      return this.pin(start, end - start)
    } catch {
      return undefined
    }
  }

  /** A part and what lies around it; the part alone where there are few pins yet, or no more may be locked. */
  #pinAround(byteOffset: number, byteLength: number): DmaPin {
    const unit = this.kernel.pageSize * 4 ** Math.min(this.#pins.size - SMALL_PINS + 2, 20)
    if (this.#pins.size < SMALL_PINS || unit >= this.#tooMuch) return this.pin(byteOffset, byteLength)
    const start = Math.floor(byteOffset / unit) * unit
    const end = Math.min(Math.ceil((byteOffset + byteLength) / unit) * unit, this.byteLength)
    try {
      return this.pin(start, end - start)
    } catch (error) {
      if (!isDmaError(error, 'ENOMEM')) throw error
      this.#tooMuch = unit
      return this.pin(byteOffset, byteLength)
    }
  }

  /** A pin that has all of a range. */
  #pinOf(range: ByteRange): DmaPin | undefined {
    for (const pin of this.#pins) if (pin.covers(range)) return pin
    return undefined
  }

  #untilWhen(): string {
    const isOver = [...this.#suspects].some((device) => device.closed)
    return isOver
      ? 'allocate new memory: that device is closed, and nothing proved that it is at rest; this memory is kept until the process ends'
      : 'close that device, which gives the memory back once nothing reaches it any more, and allocate new memory'
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
    if (this.#state !== 'open') return
    // A region that owns this memory closes it in turn.
    this.#state = 'closing'
    try {
      closeAll([...this.#users, ...this.#regions].reverse().map((user) => () => user.close()))
      closeAll([...this.#pins].map((pin) => () => pin.end()))
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
