/** I/O ports that something answers. */
export interface PortRange {
  /** The first port. */
  readonly start: number
  /** How many ports. */
  readonly size: number
  /** One byte is read at a port, counted from 0. */
  read8(port: number): number
  write8(port: number, value: number): void
}

/** How many ports there are. */
export const portCount = 0x1_0000

/** The I/O ports of the machine, an address space of their own. Ports that nobody answers read as ones. */
export class PortSpace {
  readonly #ranges = new Map<PortRange, object>()

  /** `owner`: whose they are, to take them all back by. */
  add(range: PortRange, owner: object): void {
    this.#ranges.set(range, owner)
  }

  removeOf(owner: object): void {
    for (const [range, one] of this.#ranges) if (one === owner) this.#ranges.delete(range)
  }

  read8(port: number): number {
    return (this.#find(port)?.read8(port) ?? 0xff) & 0xff
  }

  write8(port: number, value: number): void {
    this.#find(port)?.write8(port, value)
  }

  #find(port: number): PortRange | undefined {
    for (const range of this.#ranges.keys()) {
      if (port >= range.start && port < range.start + range.size) return range
    }
    return undefined
  }
}
