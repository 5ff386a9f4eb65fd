import { fail } from '../errors'

/** From 16 MiB to 2 GiB, in frames. */
const lowestFrame = 0x1000
const endFrame = 0x80000
/** Where the first allocation goes: what lies below is the kernel's own. */
const firstFree = 0x2640

/**
 * Memory below 4 GiB: frames in one piece, aligned to their size as the kernel's page allocator aligns them. What was
 * given back is given out again only when the rest is used up, so that a stale address stays stale for long.
 */
export class LowMemory {
  readonly lowestFrame = lowestFrame
  readonly endFrame = endFrame
  /** What is given out, in order. */
  readonly #taken: { readonly first: number; readonly end: number }[] = []
  #next = firstFree

  /** The first of `count` frames, all of them below `limit`. `ENOMEM`. */
  take(count: number, limit: number): number {
    const end = Math.min(endFrame, limit)
    const alignment = 2 ** Math.ceil(Math.log2(count))
    const first =
      this.#find(this.#next, count, alignment, end) ?? this.#find(firstFree, count, alignment, end)
    if (first === undefined) return fail('ENOMEM', `no ${count} free pages in one piece below frame ${end}`)
    const index = this.#taken.findIndex((one) => one.first > first)
    this.#taken.splice(index < 0 ? this.#taken.length : index, 0, { first, end: first + count })
    this.#next = first + count
    return first
  }

  give(first: number): void {
    const index = this.#taken.findIndex((one) => one.first === first)
    if (index >= 0) this.#taken.splice(index, 1)
  }

  #find(from: number, count: number, alignment: number, end: number): number | undefined {
    const align = (frame: number) => Math.ceil(frame / alignment) * alignment
    let start = align(from)
    for (const taken of this.#taken) {
      if (start + count <= taken.first) break
      if (taken.end > start) start = align(taken.end)
    }
    return start + count <= end ? start : undefined
  }
}
