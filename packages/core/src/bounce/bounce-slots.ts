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
  /** Slots between two places where it may begin: a power of two up to 65536. */
  stride: number
  /** Which of them: the number of the first slot, counted from address 0, leaves this when divided by the stride. */
  phase: number
  /** Slots from one boundary to the next, which the run does not cross: a power of two, Infinity for no boundary. */
  boundary: number
}

/**
 * Which slots of a pool are in use. A free run is the one that the kernel's swiotlb would find: the first one that fits
 * from where the last search ended on, within one segment. Runs are known by their ends, so that nothing is done for
 * each slot.
 */
export class BounceSlots {
  readonly total: number
  /** Slots in use. */
  used = 0
  /** The most that ever were at once. */
  mostUsed = 0
  /** For the first and the last slot of a run, how many it has: above 0 where it is free, below where it is in use. */
  readonly #runs: Int16Array
  /** 1 for the first slot of a run that is in use. */
  readonly #heads: Uint8Array
  /** Number of the first slot, counted from address 0. */
  readonly #base: number
  /** Its low bits, more than any stride has. */
  readonly #low: number
  /** Where the last search ended, and where the run begins that this lies in. */
  #next = 0
  #nextRun = 0

  /**
   * @param total a multiple of the slots in a segment
   * @param base the address of the first slot divided by the bytes in a slot
   */
  constructor(total: number, base: number) {
    this.total = total
    this.#base = base
    this.#low = base % 0x1_0000
    this.#runs = new Int16Array(total)
    this.#heads = new Uint8Array(total)
    for (let slot = 0; slot < total; slot += Slot.PerSegment) this.mark(slot, Slot.PerSegment, 1)
  }

  /** Takes a run of 1 to {@link Slot.PerSegment} slots. @returns the first one, -1 where no run is free */
  take(count: number, placement: SlotPlacement): number {
    if (count > this.total - this.used) return -1
    let head = this.find(count, placement, this.#nextRun, this.#next, this.total)
    if (head < 0) head = this.find(count, placement, 0, 0, this.#next)
    if (head < 0) return -1
    const end = head + count
    this.#next = end < this.total ? end : 0
    this.#nextRun = this.#next
    this.used += count
    if (this.used > this.mostUsed) this.mostUsed = this.used
    return head
  }

  /** Gives a run back. @param head what `take` returned */
  release(head: number): void {
    const runs = this.#runs
    const count = -runs[head]!
    let first = head
    let end = head + count
    if (end % Slot.PerSegment !== 0 && runs[end]! > 0) end += runs[end]!
    if (head % Slot.PerSegment !== 0 && runs[head - 1]! > 0) first -= runs[head - 1]!
    this.#heads[head] = 0
    this.mark(first, end - first, 1)
    if (first <= this.#next && this.#next < end) this.#nextRun = first
    this.used -= count
  }

  /** The first slot of the run in use that a slot belongs to; -1 for a free one, or none of this pool. */
  headOf(slot: number): number {
    const heads = this.#heads
    if (heads[slot] === 1) return slot
    if (!(slot >= 0 && slot < this.total)) return -1
    const segment = slot - (slot % Slot.PerSegment)
    let head = slot
    while (head > segment && heads[head] !== 1) head--
    return heads[head] === 1 && slot < head - this.#runs[head]! ? head : -1
  }

  /** Takes the first run that begins in [from, until), looking at all runs from the one at `run` on. */
  private find(count: number, placement: SlotPlacement, run: number, from: number, until: number): number {
    const runs = this.#runs
    const { stride, phase, boundary } = placement
    const base = this.#base
    for (let first = run; first < until; ) {
      const length = runs[first]!
      if (length < 0) {
        first -= length
        continue
      }
      const end = first + length
      let head = Math.max(first, from)
      if (stride > 1) head += (phase - this.#low - head) & (stride - 1)
      for (; head < until && head + count <= end; head += stride) {
        if (boundary !== Number.POSITIVE_INFINITY && ((base + head) % boundary) + count > boundary) continue
        this.split(first, head, count, end)
        return head
      }
      first = end
    }
    return -1
  }

  /** Makes one run of three: the middle one is in use. */
  private split(first: number, head: number, count: number, end: number): void {
    if (head > first) this.mark(first, head - first, 1)
    this.mark(head, count, -1)
    this.#heads[head] = 1
    if (head + count < end) this.mark(head + count, end - head - count, 1)
  }

  private mark(first: number, count: number, sign: 1 | -1): void {
    this.#runs[first] = sign * count
    this.#runs[first + count - 1] = sign * count
  }
}
