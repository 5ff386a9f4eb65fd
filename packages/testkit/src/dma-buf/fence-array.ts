import type { VirtualClock } from '../clock'
import { type Fence, PlainFence } from './fence'

/** Several fences as one, which is over when all of them are (struct dma_fence_array). */
export class FenceArray implements Fence {
  readonly driver = 'dma_fence_array'
  readonly timeline = 'unbound'
  readonly sequence = 1
  #watched = false
  #over = false
  /** The first error that came while somebody waited: nobody notes the others. */
  #error = 0

  constructor(
    readonly parts: readonly PlainFence[],
    readonly context: number,
  ) {}

  get status(): number {
    this.#over ||= this.parts.every(({ status }) => status !== 0)
    return this.#over ? this.#error || 1 : 0
  }

  watch(): void {
    if (this.#watched || this.status !== 0) return
    this.#watched = true
    for (const part of this.parts) {
      const note = () => {
        if (part.status < 0) this.#error ||= part.status
      }
      if (part.status === 0) part.onSignal(note)
      else note()
    }
  }
}

/** All of these as one fence; undefined for none. */
export function oneFence(fences: readonly PlainFence[], takeContext: () => number): Fence | undefined {
  return fences.length > 1 ? new FenceArray(fences, takeContext()) : fences[0]
}

/** What is pending of several fences, as one: a stub where nothing is. Of each context, the latest is enough. */
export function mergeFences(fences: readonly Fence[], takeContext: () => number, clock: VirtualClock): Fence {
  const parts = fences.flatMap((fence) => fence.parts)
  const latest = new Map<number, PlainFence>()
  let lastEnd = 0n
  for (const part of parts) {
    if (part.timestamp > lastEnd) lastEnd = part.timestamp
    const known = latest.get(part.context)
    if (part.status === 0 && (known === undefined || known.sequence < part.sequence)) {
      latest.set(part.context, part)
    }
  }
  const pending = [...latest.values()].sort((a, b) => a.context - b.context)
  return oneFence(pending, takeContext) ?? PlainFence.stub(clock, lastEnd)
}
