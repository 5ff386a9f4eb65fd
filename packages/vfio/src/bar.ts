import {
  assertOptions,
  assertRange,
  DmaError,
  FileRegisterWindow,
  IoRegion,
  type Kernel,
} from '@linux-dma/core'
import * as vfio from './constants'
import type { VfioDeviceInfo } from './device-info'

/** Bytes of a BAR: see {@link VfioDevice.bar}. */
export interface BarPart {
  /** Bytes from the BAR's start, a multiple of the page size. */
  byteOffset: number
  /** 1 to 2^31. */
  byteLength: number
}

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
/** An IoRegion's offsets are 31 bits wide. */
const LARGEST_WINDOW = 0x8000_0000

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
  if (part !== undefined) checkPart(name, part, bar.byteLength, kernel.pageSize)
  const { byteOffset, byteLength } = part ?? { byteOffset: 0, byteLength: bar.byteLength }
  if (byteLength > LARGEST_WINDOW) {
    throw new DmaError(
      'DMA_TOO_LARGE',
      `${name} has ${byteLength} bytes, and a region up to ${LARGEST_WINDOW}`,
      {
        hint: `take the part that is needed: device.bar(${index}, { byteOffset, byteLength })`,
      },
    )
  }
  const position = bar.position + byteOffset
  const mapped = (bar.flags & vfio.VFIO_REGION_INFO_FLAG_MMAP) !== 0 && !bar.sparse
  if (mapped) assertDecoding()
  const window = mapped
    ? kernel.mapRegisters(fd, { byteLength, position })
    : new FileRegisterWindow(kernel, fd, { name, byteLength, position })
  return { region: new IoRegion(window, { name, clock: kernel.clock, byteLength }), mapped }
}

function checkPart(name: string, part: BarPart, limit: number, pageSize: number): void {
  assertOptions('bar', part, ['byteOffset', 'byteLength'])
  assertRange(name, part.byteOffset, part.byteLength, limit)
  if (part.byteOffset % pageSize === 0) return
  throw new DmaError(
    'DMA_RANGE',
    `${name}: byteOffset ${part.byteOffset} is not a multiple of the page size, ${pageSize}`,
    {
      hint: 'map from the page before, and take a subRegion() of that',
    },
  )
}
