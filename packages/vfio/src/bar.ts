import { DmaError, FileRegisterWindow, IoRegion, type Kernel } from '@linux-dma/core'
import { type BarPart, checkBarPart } from '@linux-dma/pci'
import * as vfio from './constants'
import type { VfioDeviceInfo } from './device-info'

/** A device's descriptor and what it said of itself. */
export interface OpenedDevice {
  readonly fd: number
  readonly info: VfioDeviceInfo
}

/** A BAR's registers, and whether they are mapped into this process rather than reached by system calls. */
export interface OpenedBar {
  readonly region: IoRegion
  readonly mapped: boolean
}

/** BARs of a PCI device. */
const BARS = 6

/** @throws DMA_NO_REGION; DMA_BAR_DISABLED; DMA_RANGE; DMA_TOO_LARGE; DMA_INVALID_ARGUMENT; what mmap answers */
export function openBar(
  kernel: Kernel,
  { fd, info }: OpenedDevice,
  index: number,
  part: BarPart | undefined,
  assertDecoding: () => void,
): OpenedBar {
  const bar = Number.isInteger(index) && index < BARS ? info.regions.get(index) : undefined
  if (!bar) {
    const present = [...info.regions.keys()].filter((candidate) => candidate < BARS)
    throw new DmaError(
      'DMA_NO_REGION',
      `${info.address} has no BAR ${typeof index === 'number' ? index : `'${String(index)}'`}`,
      {
        hint: `it has BAR ${present.join(', ') || 'none'}: a number; the upper half of a 64-bit BAR has none of its own`,
      },
    )
  }
  const name = `${info.address} BAR ${index}`
  const { byteOffset, byteLength } = checkBarPart(name, index, part, bar.byteLength, kernel.pageSize)
  const position = bar.position + byteOffset
  const mapped = (bar.flags & vfio.VFIO_REGION_INFO_FLAG_MMAP) !== 0 && !bar.sparse
  if (mapped) assertDecoding()
  const window = mapped
    ? kernel.mapRegisters(fd, { byteLength, position })
    : new FileRegisterWindow(kernel, fd, { name, byteLength, position })
  return { region: new IoRegion(window, { name, clock: kernel.clock, byteLength }), mapped }
}
