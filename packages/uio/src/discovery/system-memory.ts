import type { Kernel } from '@linux-dma/core'

/** Physical addresses, both ends included, and what is there. */
interface AddressRange {
  readonly first: bigint
  readonly last: bigint
  readonly name: string
}

/** What is at a physical address: the machine's memory, a device, nothing that is known, or what this process may not know. */
export type Inhabitant = 'memory' | 'device' | 'nothing' | 'hidden'

/** Memory that is none of the machine's own, for one: set aside by firmware or a device tree. */
const NO_DEVICE = /reserved|\bram\b|memory|ACPI/i

/** What is where in physical address space: `/proc/iomem`, which is read when it is first asked for. */
export class SystemMemory {
  readonly #kernel: Kernel
  #ranges: readonly AddressRange[] | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  at(address: bigint): Inhabitant {
    this.#ranges ??= readRanges(this.#kernel)
    if (this.#ranges.length === 0) return 'hidden'
    const there = this.#ranges.filter(({ first, last }) => address >= first && address <= last)
    if (there.some(({ name }) => name.startsWith('System RAM'))) return 'memory'
    return there.some(({ name }) => !NO_DEVICE.test(name)) ? 'device' : 'nothing'
  }
}

/** None where there is no such file, or its addresses read as zeros, as they do but for root. */
function readRanges(kernel: Kernel): AddressRange[] {
  const lines = linesOf(kernel).map((line) => /^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/i.exec(line))
  return lines.flatMap((match) => {
    if (!match) return []
    const [first, last] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)]
    return last > 0n ? [{ first, last, name: match[3]! }] : []
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
