import { closeAll, DmaError, IoRegion } from '@linux-dma/core'
import { type BarPart, checkBarPart, findBar, openSysfsBar } from '@linux-dma/pci'
import type { UioBarInfo, UioMapInfo } from '../discovery/uio-device-info'
import type { UioConnection } from './connection'
import { assertRegisters } from './map-kind'
import { findMap, mapRange } from './map-range'
import { openPorts } from './ports'

/** An IoRegion's offsets are 31 bits wide. */
const LARGEST_WINDOW = 0x8000_0000

/** The registers that one user of a device has open. */
export class UioRegisters {
  readonly #connection: UioConnection
  /** What was given whole, by what it is, to be given again. */
  readonly #known = new Map<string, IoRegion>()
  readonly #open = new Set<IoRegion>()
  readonly #stopWaiting: () => void

  /** They close when the device goes: what is behind them is another driver's then, or freed. */
  constructor(connection: UioConnection) {
    this.#connection = connection
    this.#stopWaiting = connection.onGone(() => this.#closeAll())
  }

  /** @throws DMA_NO_MAP, DMA_AMBIGUOUS, DMA_NOT_REGISTERS, DMA_TOO_LARGE; DMA_DEVICE_GONE; what mmap answers */
  map(which: number | string): IoRegion {
    const connection = this.#connection
    const { info, kernel } = connection
    return connection.whileThere(() => {
      const map = findMap(info, which)
      assertRegisters(info.node, map)
      return this.#once(`map ${map.index}`, () => {
        const { byteLength } = mapRange(map, kernel.pageSize)
        return this.#mapped(this.#openMap(map, 0, byteLength, `${info.node} map ${map.index}`))
      })
    })
  }

  /**
   * @throws DMA_NO_PCI, DMA_NO_REGION, DMA_BAR_DISABLED, DMA_RANGE, DMA_TOO_LARGE; EACCES for one that UIO hides; DMA_DEVICE_GONE; what
   *   mmap answers
   */
  bar(index: number, part?: BarPart): IoRegion {
    const { pci, node } = this.#connection.info
    return this.#connection.whileThere(() => {
      if (pci === undefined) throw notPci(node)
      const bar = findBar(pci.address, pci.bars, index) as UioBarInfo
      const open = () => this.#openBar(pci.address, bar, part)
      if (part === undefined) return this.#once(`bar ${index}`, open)
      this.#connection.assertPresent()
      return open()
    })
  }

  /** @throws DMA_NO_PORT, DMA_UNSUPPORTED, EACCES, EPERM; DMA_DEVICE_GONE */
  port(index: number): IoRegion {
    return this.#connection.whileThere(() =>
      this.#once(`port ${index}`, () => {
        const { region, owner } = openPorts(this.#connection, index)
        this.#keep(owner)
        return region
      }),
    )
  }

  close(): void {
    this.#stopWaiting()
    this.#closeAll()
  }

  #closeAll(): void {
    closeAll([...this.#open].map((region) => () => region.close()))
  }

  #openBar(address: string, bar: UioBarInfo, part: BarPart | undefined): IoRegion {
    const { kernel, writableConfig } = this.#connection
    const assertDecoding = () => writableConfig?.assertDecoding()
    const map = this.#mapOf(bar)
    if (map === undefined) {
      const { region, mapped } = openSysfsBar(kernel, address, bar, part, assertDecoding)
      return mapped ? this.#mapped(region) : this.#keep(region)
    }
    const name = `${address} BAR ${bar.index}`
    const { byteOffset, byteLength } = checkBarPart(name, bar.index, part, bar.byteLength, kernel.pageSize)
    assertDecoding()
    return this.#mapped(this.#openMap(map, byteOffset, byteLength, name))
  }

  /** The map that shows a BAR. One that does not begin with a page is none that mmap(2) takes. */
  #mapOf(bar: UioBarInfo): UioMapInfo | undefined {
    const { info, kernel } = this.#connection
    const map = info.maps.find(({ index }) => index === bar.map)
    if (map === undefined || map.address % BigInt(kernel.pageSize) !== 0n) return undefined
    return bar.byteLength <= LARGEST_WINDOW ? map : undefined
  }

  /** A map can only be mapped from its start on: a part of it is a region of a longer window. */
  #openMap(map: UioMapInfo, partOffset: number, byteLength: number, name: string): IoRegion {
    const { kernel, fd } = this.#connection
    const { position, byteOffset } = mapRange(map, kernel.pageSize)
    const start = byteOffset + partOffset
    if (start + byteLength > LARGEST_WINDOW) throw tooLarge(name, start + byteLength)
    const window = kernel.mapRegisters(fd, { position, byteLength: start + byteLength })
    return new IoRegion(window, { name, clock: kernel.clock, byteOffset: start, byteLength })
  }

  #once(what: string, open: () => IoRegion): IoRegion {
    const known = this.#known.get(what)
    if (known !== undefined && !known.closed) return known
    // What the watch has not told yet: these may be another driver's registers.
    this.#connection.assertPresent()
    const region = open()
    this.#known.set(what, region)
    return region
  }

  #mapped(region: IoRegion): IoRegion {
    const { mappedRegisters } = this.#connection
    for (const registers of mappedRegisters) if (registers.closed) mappedRegisters.delete(registers)
    mappedRegisters.add(region)
    return this.#keep(region)
  }

  /** Has a region closed with the others. */
  #keep(region: IoRegion): IoRegion {
    for (const one of this.#open) if (one.closed) this.#open.delete(one)
    this.#open.add(region)
    return region
  }
}

function notPci(node: string): DmaError {
  return new DmaError('DMA_NO_PCI', `${node} is no PCI device: it has no BARs`, {
    hint: 'its registers are its maps: device.map(0)',
  })
}

function tooLarge(name: string, byteLength: number): DmaError {
  return new DmaError(
    'DMA_TOO_LARGE',
    `${name} needs ${byteLength} bytes, and a region has up to ${LARGEST_WINDOW}`,
    {
      hint: 'of a BAR take the part that is needed: device.bar(index, { byteOffset, byteLength }); memory: mapMemory()',
    },
  )
}
