/** Bytes of a memory that a device wrote. */
export interface DeviceWrite {
  /** Offset of the first byte in the memory, and of the one after the last. */
  readonly start: number
  readonly end: number
  /** PCI address of the device, or name of the platform device. */
  readonly device: string
  /** Where the device found the first byte. */
  readonly address: number
  /** Virtual milliseconds. */
  readonly time: number
}

/** What devices wrote to a memory and no CPU has looked at since, in the order of its bytes, without overlaps. */
export class UnseenWrites {
  readonly #writes: DeviceWrite[] = []

  /** A device wrote: what it wrote over is gone. */
  add(write: DeviceWrite): void {
    this.remove(write.start, write.end)
    const index = this.#firstEndingAfter(write.start)
    const before = this.#writes[index - 1]
    if (before !== undefined && continues(before, write)) {
      this.#writes[index - 1] = { ...before, end: write.end }
    } else {
      this.#writes.splice(index, 0, write)
    }
  }

  /** Forgets a range: the CPU has it, or has written over it. */
  remove(start: number, end: number): void {
    const first = this.#firstEndingAfter(start)
    let last = first
    while (last < this.#writes.length && this.#writes[last]!.start < end) last++
    if (first === last) return
    const head = part(this.#writes[first]!, 0, start)
    const tail = part(this.#writes[last - 1]!, end, Number.POSITIVE_INFINITY)
    this.#writes.splice(first, last - first, ...[head, tail].filter((one) => one !== undefined))
  }

  /** What lies in a range, cut to it. */
  within(start: number, end: number): DeviceWrite[] {
    const found: DeviceWrite[] = []
    for (let index = this.#firstEndingAfter(start); index < this.#writes.length; index++) {
      const inside = part(this.#writes[index]!, start, end)
      if (inside === undefined) break
      found.push(inside)
    }
    return found
  }

  /** Index of the first one whose end lies above an offset. */
  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#writes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#writes[middle]!.end <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Whether the second is the first going on: devices write in bursts. */
function continues(before: DeviceWrite, write: DeviceWrite): boolean {
  return (
    before.end === write.start &&
    before.device === write.device &&
    before.time === write.time &&
    before.address + (before.end - before.start) === write.address
  )
}

function part(write: DeviceWrite, from: number, to: number): DeviceWrite | undefined {
  const start = Math.max(write.start, from)
  const end = Math.min(write.end, to)
  return start < end ? { ...write, start, end, address: write.address + start - write.start } : undefined
}
