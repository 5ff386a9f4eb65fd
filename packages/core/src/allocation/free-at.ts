import { DmaError, isDmaError } from '@linux-dma/native'
import { type FoundMapping, findToEnd, type NamedMapping } from '../checker/by-address'
import { DmaMisuse } from '../checker/misuse'
import { misused } from '../checker/misused'
import { shown } from '../checks/shown'
import type { DmaDevice } from '../device/dma-device'
import { formatDmaAddress } from '../vocabulary/address'

/** An allocation as the kernel's functions name it. */
export interface NamedAllocation extends NamedMapping {
  /** The CPU's own bytes of it, or of its beginning. */
  readonly bytes: Uint8Array | undefined
}

/**
 * Frees an allocation that is named by its address, after every check that the kernel makes.
 * @throws DMA_NOT_MAPPED, DMA_WRONG_SIZE, DMA_WRONG_FAMILY, DMA_WRONG_DIRECTION, DMA_WRONG_BYTES; DMA_ADDRESS_RANGE;
 *   DMA_INVALID_ARGUMENT
 */
export function freeAt(named: NamedAllocation): void {
  assertBytes(named)
  const found = findToEnd(named)
  const { ledger, note } = found
  const owner = ledger.wholes.of(note)
  assertSameBytes(named, found, owner.bytes)
  owner.close()
}

/** The error of a second free, with what a checker knows. */
export function freedTwice(device: DmaDevice, error: unknown, owner: object): unknown {
  if (!isDmaError(error, 'DMA_CLOSED')) return error
  const { ledger } = device
  const facts = ledger?.factsOfEnded(ledger.wholes.ended(owner)) ?? {}
  return misused(device, DmaMisuse.UnmapUnknown, error, {
    ...facts,
    expected: 'a live allocation',
    actual: 'one that was freed',
  })
}

function assertBytes({ of, bytes }: NamedAllocation): void {
  if (bytes instanceof Uint8Array) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: bytes is ${shown(bytes)}`, {
    hint: `pass the allocation; or its size, its bytes and its address: ${of}(device, byteLength, allocation.bytes, allocation.dmaAddress)`,
  })
}

function assertSameBytes(
  { of, device, bytes, byteLength }: NamedAllocation,
  { ledger, note, address }: FoundMapping,
  own: Uint8Array | undefined,
): void {
  if (own && bytes!.buffer === own.buffer && bytes!.byteOffset === own.byteOffset) return
  throw misused(
    device,
    DmaMisuse.FreeBytes,
    new DmaError('DMA_WRONG_BYTES', `${of}: the bytes are not those at ${formatDmaAddress(address)}`, {
      hint: 'pass the bytes and the address of one allocation: another one’s are still in use by then',
    }),
    {
      ...ledger.factsOf(note),
      size: byteLength,
      expected: 'the bytes that were allocated with the address',
      actual: own && bytes!.buffer === own.buffer ? 'others of the same memory' : 'others',
    },
  )
}
