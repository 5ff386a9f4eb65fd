import type { Kernel } from '@linux-dma/core'

/** Physical addresses, both ends included. */
interface AddressRange {
  readonly first: bigint
  readonly last: bigint
}

/** Where in physical address space the machine's memory is: what `/proc/iomem` says, which is read when it is first asked for. */
export class SystemMemory {
  readonly #kernel: Kernel
  #ranges: readonly AddressRange[] | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Whether memory is at an address; undefined where this process may not know it: addresses are shown to root. */
  has(address: bigint): boolean | undefined {
    this.#ranges ??= readRanges(this.#kernel)
    if (this.#ranges.length === 0) return undefined
    return this.#ranges.some(({ first, last }) => address >= first && address <= last)
  }
}

/** None where there is no such file, or its addresses read as zeros. */
function readRanges(kernel: Kernel): AddressRange[] {
  const lines = linesOf(kernel).map((line) => /^([0-9a-f]+)-([0-9a-f]+) : System RAM\b/i.exec(line))
  return lines.flatMap((match) => {
    if (!match) return []
    const [first, last] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)]
    return last > 0n ? [{ first, last }] : []
  })
}

function linesOf(kernel: Kernel): string[] {
  try {
    return kernel.readText('/proc/iomem').split('\n')
  } catch {
    // Not to be had is not to be known.
    return []
  }
}
