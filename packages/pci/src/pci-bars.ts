import type { Kernel } from '@linux-dma/core'
import * as flag from './constants'
import { PCI_DEVICES } from './pci-address'

/** A base address register, as the kernel has laid it out. */
export interface PciBar {
  /** 0 to 5. A 64-bit BAR takes two numbers and has the lower one. */
  readonly index: number
  /** Where the CPU finds it: a physical address, or the first of its I/O ports. */
  readonly address: bigint
  readonly byteLength: number
  /** Memory can be mapped; I/O ports are reached by system calls. */
  readonly kind: 'memory' | 'io'
  /** Whether it may lie above 4 GiB. */
  readonly is64Bit: boolean
  /** Whether reading it changes nothing: memory rather than registers, mostly. */
  readonly prefetchable: boolean
}

/** BARs of a PCI device: what comes after them in `resource` is its ROM and those of virtual functions. */
const BARS = 6

/**
 * Reads which BARs a device has, of those that have a place. Needs no privileges. Mirrors `pci_resource_start()` and its kin.
 * @param address as sysfs has it: {@link parsePciAddress}
 * @throws ENOENT where there is no such device
 * @example
 * ```ts
 * for (const { index, kind, byteLength } of readPciBars(kernel, '0000:00:04.0')) console.log(index, kind, byteLength)
 * ```
 */
export function readPciBars(kernel: Kernel, address: string): PciBar[] {
  const lines = kernel.readText(`${PCI_DEVICES}/${address}/resource`).trim().split('\n')
  return lines.slice(0, BARS).flatMap((line, index) => {
    const [start = 0n, end = 0n, flags = 0n] = line.trim().split(/\s+/).map(BigInt)
    const bits = Number(flags)
    const kind = bits & flag.IORESOURCE_MEM ? 'memory' : 'io'
    if ((bits & (flag.IORESOURCE_MEM | flag.IORESOURCE_IO)) === 0 || end < start) return []
    // One that found no room has a size and no place: what is at its address is something else.
    if ((bits & (flag.IORESOURCE_UNSET | flag.IORESOURCE_DISABLED)) !== 0) return []
    return [
      {
        index,
        address: start,
        byteLength: Number(end - start) + 1,
        kind,
        is64Bit: (bits & flag.IORESOURCE_MEM_64) !== 0,
        prefetchable: (bits & flag.IORESOURCE_PREFETCH) !== 0,
      } as const,
    ]
  })
}
