import { type DmaAddress, type DmaDevice, DmaMisuse } from '@linux-dma/core'
import type { MappedTable } from './table-entries'

/**
 * Looks whether a mapped table is one that its device takes: no segment in memory is longer than it says, and none that it sees crosses
 * its boundary.
 * @throws DMA_DEBUG, where the device's checker throws
 */
export function assertSegments(device: DmaDevice, table: MappedTable): void {
  const { segments, placement } = table
  if (!device.checker || placement.allocated) return
  const { maxSegmentSize, boundary } = placement.rules
  for (let i = 0; i < segments.count; i++) {
    if (segments.lengths[i]! > maxSegmentSize) tooLong(device, table, i, maxSegmentSize)
  }
  const span = boundary + 1
  for (let i = 0; i < placement.nents; i++) {
    if ((placement.addresses[i]! % span) + placement.lengths[i]! > span) crosses(device, table, i, boundary)
  }
}

function tooLong(device: DmaDevice, { segments, direction }: MappedTable, i: number, most: number): void {
  const size = segments.lengths[i]!
  device.ledger?.checker?.complain(
    device,
    DmaMisuse.SegmentTooLong,
    `segment ${i} of the table has ${size} bytes, and ${device.name} takes ${most} at most`,
    'say what the device takes, dmaSetMaxSegSize(device, bytes), and make the table with it: SgTable.fromBuffers(views, { maxSegment })',
    { size, direction, expected: `segments of at most ${most} bytes`, actual: `${size}` },
  )
}

function crosses(
  device: DmaDevice,
  { placement, direction }: MappedTable,
  i: number,
  boundary: number,
): void {
  const size = placement.lengths[i]!
  const end = placement.addresses[i]! + size - 1
  device.ledger?.checker?.complain(
    device,
    DmaMisuse.SegmentCrosses,
    `segment ${i} of the table, as ${device.name} sees it, crosses a multiple of 0x${(boundary + 1).toString(16)}`,
    'say where its boundary is before mapping, dmaSetSegBoundary(device, mask), and make the table of pieces that do not cross it',
    {
      address: placement.addresses[i] as unknown as DmaAddress,
      size,
      direction,
      expected: `bytes on one side of each multiple of 0x${(boundary + 1).toString(16)}`,
      actual: `an end at 0x${end.toString(16)}`,
    },
  )
}
