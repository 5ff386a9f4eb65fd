import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'
import { type FrameAllocator, hugePageSize } from './frames'
import type { HugePages } from './huge-pages'

/** Memory that was set aside for one use, in bytes. */
export interface MemoryArea {
  readonly total: number
  free: number
}

/** How much memory the machine has, and what is left of it, in bytes. */
export class MachineMemory {
  readonly total: number
  readonly #frames: FrameAllocator
  readonly #hugePages: HugePages
  readonly #areas: MemoryArea[] = []

  constructor(total: number, frames: FrameAllocator, hugePages: HugePages) {
    this.total = total
    this.#frames = frames
    this.#hugePages = hugePages
  }

  /** What programs can still have. A memfd counts whole, where Linux counts the pages that were used. */
  get available(): number {
    const used = this.#frames.baseBytes + this.#hugePages.total * hugePageSize
    // Of what was set aside, what is given out is among the pages in use already.
    const unused = this.#areas.reduce((sum, { free }) => sum + free, 0)
    return Math.max(0, this.total - used - unused)
  }

  /** Keeps memory for one use (CMA). */
  setAside(byteLength: number): MemoryArea {
    const area = { total: byteLength, free: byteLength }
    this.#areas.push(area)
    return area
  }

  /** Puts /proc/meminfo in place. */
  mount(fs: FileSystem): void {
    fs.put(
      '/proc/meminfo',
      textFile(() => this.#text()),
    )
  }

  #text(): string {
    const line = (name: string, bytes: number) =>
      `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`
    const count = (name: string, pages: number) => `${`${name}:`.padEnd(19)}${String(pages).padStart(5)}\n`
    const sum = (key: keyof MemoryArea) => this.#areas.reduce((total, area) => total + area[key], 0)
    const { total, reserved } = this.#hugePages
    return [
      line('MemTotal', this.total),
      line('MemFree', this.available + sum('free')),
      line('MemAvailable', this.available),
      ...(this.#areas.length === 0 ? [] : [line('CmaTotal', sum('total')), line('CmaFree', sum('free'))]),
      count('HugePages_Total', total),
      count('HugePages_Free', total - reserved),
      count('HugePages_Rsvd', 0),
      count('HugePages_Surp', 0),
      line('Hugepagesize', hugePageSize),
    ].join('')
  }
}
