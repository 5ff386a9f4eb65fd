/** Who may touch bytes: of coherent memory, both at any time. */
export type Owner = 'cpu' | 'device' | 'both'

/** Some bytes of a mapping that had one owner for a while. */
export interface OwnedRange {
  /** Offset of the first byte in the mapping, and of the one behind the last. */
  readonly start: number
  readonly end: number
  readonly owner: Owner
  /** Index of the event that made it so. */
  readonly from: number
  /** Index of the event that ended it; of none while it lasts. */
  readonly to: number | undefined
}

/** Who owned which bytes of one mapping when, filled in as its events come. */
export class Ownership {
  readonly #ended: OwnedRange[] = []
  #current: readonly OwnedRange[]
  constructor(byteLength: number, owner: Owner, from: number) {
    this.#current = [{ start: 0, end: byteLength, owner, from, to: undefined }]
  }

  /** All there was, and is. */
  get ranges(): readonly OwnedRange[] {
    return [...this.#ended, ...this.#current]
  }

  /** Gives bytes to another owner. What is his already stays as it is. */
  hand(start: number, end: number, owner: Owner, at: number): void {
    const before = this.#current
    if (!before.some((range) => range.owner !== owner && range.start < end && start < range.end)) return
    const next = joined(before.flatMap((range) => cut(range, start, end, owner)))
    // What looks the same as before goes on; all else begins here, with the bytes that now belong together.
    this.#current = next.map((range) => before.find((old) => alike(old, range)) ?? { ...range, from: at })
    const kept = new Set(this.#current)
    for (const range of before) if (!kept.has(range)) this.#ended.push({ ...range, to: at })
  }

  /** Nobody owns anything from here on: the mapping has ended. */
  end(at: number): void {
    for (const range of this.#current) this.#ended.push({ ...range, to: at })
    this.#current = []
  }

  /** The parts of `start` to `end` that somebody owns now, joined where they touch. */
  ownedBy(owner: Owner, start: number, end: number): { start: number; end: number }[] {
    const parts: { start: number; end: number }[] = []
    for (const range of this.#current) {
      const part = { start: Math.max(range.start, start), end: Math.min(range.end, end) }
      if (range.owner !== owner || part.start >= part.end) continue
      const last = parts.at(-1)
      if (last?.end === part.start) last.end = part.end
      else parts.push(part)
    }
    return parts
  }
}

function alike(a: OwnedRange, b: OwnedRange): boolean {
  return a.start === b.start && a.end === b.end && a.owner === b.owner
}

/** The parts of a range that lie before, in and behind what changes hands. */
function cut(range: OwnedRange, start: number, end: number, owner: Owner): OwnedRange[] {
  const from = Math.max(start, range.start)
  const to = Math.min(end, range.end)
  if (from >= to) return [range]
  const parts = [
    { ...range, end: from },
    { ...range, start: from, end: to, owner },
    { ...range, start: to },
  ]
  return parts.filter((part) => part.start < part.end)
}

/** Neighbours of one owner as one. */
function joined(ranges: readonly OwnedRange[]): OwnedRange[] {
  const all: OwnedRange[] = []
  for (const range of ranges) {
    const last = all.at(-1)
    if (last?.owner === range.owner && last.end === range.start)
      all[all.length - 1] = { ...last, end: range.end }
    else all.push(range)
  }
  return all
}
