/**
 * What a program has opened, by index, so that it can be named without knowing how it is called on either kernel: the
 * numbers of descriptors differ. What is closed stays in its place, so that its use after that is among the programs.
 */
export class Handles<Handle> {
  readonly #items: (Handle | undefined)[] = []

  /** Keeps a handle. @returns its index */
  add(handle: Handle): number {
    return this.#items.push(handle) - 1
  }

  /** The handle that an index stands for, any of 0 or more; undefined where it is closed, or there is none at all. */
  at(index: number): Handle | undefined {
    return this.#items[this.#place(index)]
  }

  /** The handle that an index stands for among those that are open and fit; among all, where none does. */
  fitting(index: number, fits: (handle: Handle) => boolean): Handle | undefined {
    const fitting = this.open().filter(fits)
    return fitting.length === 0 ? this.at(index) : fitting[index % fitting.length]
  }

  /** The same as `at`, and it is closed from here on. */
  take(index: number): Handle | undefined {
    const place = this.#place(index)
    const handle = this.#items[place]
    if (handle !== undefined) this.#items[place] = undefined
    return handle
  }

  /** What is still open, in the order of its opening. */
  open(): Handle[] {
    return this.#items.filter((item) => item !== undefined)
  }

  /** So that an index that was drawn before anything was opened still means something. */
  #place(index: number): number {
    return this.#items.length === 0 ? 0 : index % this.#items.length
  }
}

/**
 * The descriptor that stands for a closed one: beyond every limit. The number itself has another file by now, perhaps
 * one of the process's own.
 */
export const CLOSED_DESCRIPTOR = 1_000_000
