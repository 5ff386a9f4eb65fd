import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'

declare const kind: unique symbol

/**
 * An address as the compiler sees it: neither a number nor a bigint, so that indexing with it, adding to it or
 * "dereferencing" it does not compile. At run time it is a number, exact up to 2^53.
 *
 * What turns any value into a number compiles all the same, since no type can forbid it: `Number(address)`, `+address`,
 * `` `${address}` ``. Write {@link toNumber}, {@link toBigInt} or {@link formatDmaAddress}, which say what is meant.
 */
export interface OpaqueAddress<Kind extends string> {
  readonly [kind]: Kind
}

/** An address that a device puts on its bus: the kernel's `dma_addr_t`, behind an IOMMU an IOVA. */
export type DmaAddress = OpaqueAddress<'dma'>
/** An address of the machine's memory as the memory controller sees it: the kernel's `phys_addr_t`. */
export type PhysicalAddress = OpaqueAddress<'physical'>
/** A pointer of the kernel's own address space: good for recognising and refusing, never for hardware. */
export type KernelAddress = OpaqueAddress<'kernel'>

type AnyAddress = DmaAddress | PhysicalAddress | KernelAddress

const TWO_TO_32 = 0x1_0000_0000

function checked(value: number | bigint, what: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  const exact = typeof value === 'bigint' ? BigInt(number) === value : true
  if (!(exact && Number.isSafeInteger(number) && number >= 0)) {
    throw new DmaError('DMA_ADDRESS_RANGE', `${what} ${shown(value)} is not an integer from 0 to 2^53 - 1`, {
      hint: 'addresses are held as numbers, exact to 2^53; a larger or fractional one would be rounded',
    })
  }
  return number
}

/**
 * Makes a {@link DmaAddress} of a raw value, for example one read from a descriptor.
 * @param value an integer from 0 to 2^53 - 1.
 * @throws DMA_ADDRESS_RANGE
 */
export function dmaAddress(value: number | bigint): DmaAddress {
  return checked(value, 'DMA address') as unknown as DmaAddress
}

/**
 * Makes a {@link PhysicalAddress} of a raw value.
 * @param value an integer from 0 to 2^53 - 1.
 * @throws DMA_ADDRESS_RANGE
 */
export function physicalAddress(value: number | bigint): PhysicalAddress {
  return checked(value, 'physical address') as unknown as PhysicalAddress
}

/**
 * The address `byteLength` further on. Mirrors plain addition on a `dma_addr_t`, with the overflow seen.
 * @example
 * const second = addToDmaAddress(ring.dmaAddress, 16)
 * @throws DMA_ADDRESS_RANGE where the sum is negative, fractional or above 2^53 - 1
 */
export function addToDmaAddress(address: DmaAddress, byteLength: number): DmaAddress {
  return dmaAddress(toNumber(address) + byteLength)
}

/** The number behind an address, exact. */
export function toNumber(address: AnyAddress): number {
  return address as unknown as number
}

/** The address as a bigint, for arithmetic that needs 64 bits. Allocates: keep it off hot paths. */
export function toBigInt(address: AnyAddress): bigint {
  return BigInt(toNumber(address))
}

/**
 * Bits 0 to 31, unsigned. Mirrors `lower_32_bits()`.
 * @example
 * ```ts
 * descriptor[0] = lowerHalf(mapping.dmaAddress)
 * descriptor[1] = upperHalf(mapping.dmaAddress)
 * ```
 */
export function lowerHalf(address: AnyAddress): number {
  return toNumber(address) >>> 0
}

/** Bits 32 to 63, unsigned. Mirrors `upper_32_bits()`. */
export function upperHalf(address: AnyAddress): number {
  return Math.floor(toNumber(address) / TWO_TO_32) >>> 0
}

/** The address as the kernel's `%pad` prints it: `0x00000000fee00000`. */
export function formatDmaAddress(address: AnyAddress): string {
  return `0x${toNumber(address).toString(16).padStart(16, '0')}`
}
