import type { PlainFence } from './fence'

/** What a device does with a buffer until its fence is over. */
export type FenceUsage = 'read' | 'write'

/** The fences of a buffer (struct dma_resv). */
export class Reservation {
  readonly #entries: { fence: PlainFence; usage: FenceUsage }[] = []

  /** A fence takes the place of one that is over, or of an earlier one of its context that says no more. */
  add(fence: PlainFence, usage: FenceUsage): void {
    const entry = { fence, usage }
    const index = this.#entries.findIndex((old) => {
      const covers = old.usage === usage || old.usage === 'read'
      const follows = old.fence.context === fence.context && old.fence.sequence <= fence.sequence
      return old.fence.status !== 0 || (covers && follows)
    })
    if (index < 0) this.#entries.push(entry)
    else this.#entries[index] = entry
  }

  /** Fences that an access of this kind has to wait for: reading for what writes, writing for everything. */
  pending(access: FenceUsage): PlainFence[] {
    return this.#entries
      .filter(({ fence, usage }) => fence.status === 0 && (access === 'write' || usage === 'write'))
      .map(({ fence }) => fence)
  }
}
