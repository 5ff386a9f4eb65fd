/** Sizes that are the kernel's own, of `linux/swiotlb.h`. */
export enum Slot {
  /** log2 of the bytes in a slot: `IO_TLB_SHIFT`. */
  Shift = 11,
  /** Bytes in a slot: `IO_TLB_SIZE`. */
  ByteLength = 1 << Shift,
  /** Slots in a segment, which no mapping crosses: `IO_TLB_SEGSIZE`. */
  PerSegment = 128,
  /** Bytes in a segment. */
  SegmentByteLength = ByteLength * PerSegment,
}

/** Where a run of slots may begin and end. */
export interface SlotPlacement {
  /** Slots between two places where it may begin: a power of two. */
  stride: number
  /** Which of them: the number of the first slot, counted from address 0, leaves this when divided by the stride. */
  phase: number
  /** Slots from one boundary to the next, which the run does not cross: a power of two, Infinity for no boundary. */
  boundary: number
}

/**
 * Which slots of a pool are in use. Free runs are found as the kernel's swiotlb finds them: first fit from where the
 * last search ended, within one segment.
 */
export class BounceSlots {
  readonly total: number
  /** Slots in use. */
  used = 0
  /** The most that ever were at once. */
  mostUsed = 0
  /** For a free slot, how many are free from it on, in its segment; 0 for one in use. */
  readonly #free: Uint8Array
  /** For a slot in use, the first one of its run; -1 for a free one. */
  readonly #heads: Int32Array
  /** Number of the first slot, counted from address 0. */
  readonly #base: number
  #next = 0

  /**
   * @param total a multiple of the slots in a segment
   * @param base the address of the first slot divided by the bytes in a slot
   */
  constructor(total: number, base: number) {
    this.total = total
    this.#base = base
    this.#free = new Uint8Array(total)
    this.#heads = new Int32Array(total).fill(-1)
    for (let slot = 0; slot < total; slot++) this.#free[slot] = Slot.PerSegment - (slot % Slot.PerSegment)
  }

  /** Takes a run of 1 to {@link Slot.PerSegment} slots. @returns the first one, -1 where no run is free */
  take(count: number, placement: SlotPlacement): number {
    const head = this.find(count, placement)
    if (head < 0) return -1
    const free = this.#free
    for (let slot = head; slot < head + count; slot++) {
      free[slot] = 0
      this.#heads[slot] = head
    }
    this.countBackwards(head, 0)
    this.#next = head + count < this.total ? head + count : 0
    this.used += count
    if (this.used > this.mostUsed) this.mostUsed = this.used
    return head
  }

  /** Gives a run back, exactly as it was taken. */
  release(head: number, count: number): void {
    const end = head + count
    const free = this.#free
    const joined = end % Slot.PerSegment === 0 ? 0 : free[end]!
    for (let slot = head; slot < end; slot++) {
      free[slot] = joined + (end - slot)
      this.#heads[slot] = -1
    }
    this.countBackwards(head, free[head]!)
    this.used -= count
  }

  /** The first slot of the run that a slot belongs to; -1 for a free one, or none of this pool. */
  headOf(slot: number): number {
    return this.#heads[slot] ?? -1
  }

  private find(count: number, placement: SlotPlacement): number {
    if (count > this.total - this.used) return -1
    const { stride, phase, boundary } = placement
    const shift = boundary === Number.POSITIVE_INFINITY ? 0 : this.#base % boundary
    const lowest = (stride + phase - (this.#base % stride)) % stride
    const next = this.#next
    const first = lowest >= next ? lowest : lowest + Math.ceil((next - lowest) / stride) * stride
    const found = this.findBetween(first, this.total, count, stride, shift, boundary)
    return found >= 0
      ? found
      : this.findBetween(lowest, Math.min(first, this.total), count, stride, shift, boundary)
  }

  private findBetween(
    first: number,
    end: number,
    count: number,
    stride: number,
    shift: number,
    boundary: number,
  ): number {
    const free = this.#free
    for (let slot = first; slot < end; slot += stride) {
      if (free[slot]! < count) continue
      if (boundary === Number.POSITIVE_INFINITY || ((shift + slot) % boundary) + count <= boundary)
        return slot
    }
    return -1
  }

  /** Counts the free slots before `head` anew: `after` are free from it on. */
  private countBackwards(head: number, after: number): void {
    const free = this.#free
    let count = after
    for (let slot = head - 1; slot >= 0 && (slot + 1) % Slot.PerSegment !== 0 && free[slot] !== 0; slot--) {
      free[slot] = ++count
    }
  }
}
