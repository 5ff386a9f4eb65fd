import { invalidArgument } from '../errors'
import { pageSize } from '../memory/storage'
import type { DeviceModel } from '../models/device-model'
import { checkBars } from './check-bars'
import type { Bar } from './config-space'

const lowWindow = 0xfe00_0000
const highWindow = 0x8_0000_0000
/** Above the ports of the machine itself, as firmware does it. */
const ioWindow = 0xc000
const ioEnd = 0x1_0000

/** Where the next BARs go: what the firmware of the fake machine keeps in mind. */
export interface BusWindow {
  low: number
  high: number
  io: number
}

/** The addresses that BARs get: below 4 GiB, above 32 GiB for 64-bit prefetchable ones, and I/O ports. */
export function busWindow(): BusWindow {
  return { low: lowWindow, high: highWindow, io: ioWindow }
}

/** Checks a model's BARs and gives each its bus address. @throws `DMA_INVALID_ARGUMENT` */
export function layOutBars(model: DeviceModel, window: BusWindow): Bar[] {
  checkBars(model.bars, model.kind)
  return model.bars.map((layout, place) => {
    const { byteLength, index = place, addressWidth = 32, prefetchable = false, kind = 'memory' } = layout
    const space = kind === 'io' ? 'io' : addressWidth === 64 && prefetchable ? 'high' : 'low'
    // Nobody shares a page of memory space with another: firmware sees to it, so that each can be mapped alone.
    const room = kind === 'io' ? byteLength : Math.max(byteLength, pageSize)
    const address = Math.ceil(window[space] / room) * room
    if (kind === 'io' && address + byteLength > ioEnd) invalidArgument('there are no I/O ports left')
    window[space] = address + room
    return { byteLength, index, addressWidth, prefetchable, address, kind }
  })
}
