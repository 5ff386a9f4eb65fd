import type { DmaMemory } from '../memory/memory'
import { type DmaAddress, formatDmaAddress } from '../vocabulary/address'
import { DmaAttribute, type DmaAttributes, hasAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import type { MappingLedger } from './mapping-ledger'
import type { SingleOwner } from './mapping-owner'
import { DmaMisuse } from './misuse'

/** How many mappings beside a new one may share a cache line before nobody can mean it. */
const MOST = 7

/**
 * Looks whether a mapping that the device may write is alone on its cache lines.
 * @throws DMA_DEBUG, where the checker throws
 */
export function assertApart(
  ledger: MappingLedger,
  memory: DmaMemory,
  memoryOffset: number,
  byteLength: number,
  direction: DmaDirection,
  attributes: DmaAttributes,
  address: DmaAddress | undefined,
): void {
  const { checker, device } = ledger
  if (!checker || checker.linesOf(memory).most(memoryOffset, byteLength) === 0) return
  for (const one of checker.ledgers) one.prune()
  const others = checker.linesOf(memory).most(memoryOffset, byteLength)
  const isMeant = hasAttribute(attributes, DmaAttribute.SkipCpuSync)
  if (others === 0 || (isMeant && others <= MOST)) return
  const lineSize = checker.cacheLineSize
  const misuse = others > MOST ? DmaMisuse.MapManyOverlaps : DmaMisuse.MapOverlap
  const other = findOther(ledger, memory, memoryOffset, byteLength, lineSize)
  const count = others === 1 ? 'a live mapping has' : `${others} live mappings have`
  checker.complain(
    device,
    misuse,
    `${count} cache lines of these ${byteLength} bytes already: what one transfer brings is lost with what the other one syncs`,
    `unmap the first before mapping the second; keep buffers that a device writes ${lineSize} bytes apart, at multiples of ${lineSize}`,
    {
      address,
      size: byteLength,
      direction,
      expected: `cache lines of ${lineSize} bytes that no live mapping has`,
      actual: other ? `those of ${other.text}` : 'those of a mapped table, or of another device',
      mappedAt: other?.mappedAt,
      count: others,
    },
  )
}

/** A mapping that shares a cache line with a range of memory. */
function findOther(
  ledger: MappingLedger,
  memory: DmaMemory,
  memoryOffset: number,
  byteLength: number,
  lineSize: number,
): { text: string; mappedAt: string | undefined } | undefined {
  const first = Math.floor(memoryOffset / lineSize)
  const last = Math.floor((memoryOffset + byteLength - 1) / lineSize)
  for (const one of ledger.checker?.ledgers ?? []) {
    for (const note of one.live()) {
      if (!one.records.isLined(note) || one.records.directionOf(note) === DmaDirection.ToDevice) continue
      const owner = one.ownerOf(note) as SingleOwner
      const offset = owner.memory === memory ? owner.memoryOffsetOf(one.handleOf(note)) : undefined
      if (offset === undefined) continue
      const { size, address, mappedAt } = one.factsOf(note)
      const end = Math.floor((offset + size! - 1) / lineSize)
      if (Math.floor(offset / lineSize) > last || end < first) continue
      return {
        text: `${size} bytes at ${formatDmaAddress(address!)} of ${one.device.name}`,
        mappedAt,
      }
    }
  }
  return undefined
}
