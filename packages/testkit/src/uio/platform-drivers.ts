import { fail } from '../errors'
import type { Bar } from '../pci/config-space'
import { type PlatformData, type PlatformDevice, type PlatformDriver, platformPath } from '../platform/device'
import type { UioDevice } from './device'
import { mapLimit, type UioDriverInfo, type UioParent } from './driver-info'
import { DynamicRegions } from './dynamic-regions'
import { inWholePages, registerMap, type UioMap } from './map'
import { PlatformInterrupt } from './platform-interrupt'
import type { UioClass } from './uio-class'

/** The version that a board gives. */
const version = '1'

interface Bound {
  readonly uio: UioDevice
  readonly interrupt: PlatformInterrupt
}

/** What uio_pdrv_genirq and uio_dmem_genirq have in common: registers, and an interrupt that is off until asked for. */
abstract class GenericPlatformDriver implements PlatformDriver {
  abstract readonly name: string
  readonly #uio: UioClass
  readonly #bound = new Map<PlatformDevice, Bound>()

  constructor(uio: UioClass) {
    this.#uio = uio
  }

  probe(device: PlatformDevice): void {
    const data = device.data ?? fail('EINVAL', 'nothing is known of the device but its resources')
    const interrupt = new PlatformInterrupt(device)
    const uio = this.#uio.register(uioParent(device), {
      name: data.uioName,
      version,
      ports: [],
      hasInterrupt: device.hasInterrupt,
      irqcontrol: (on) => interrupt.control(on),
      ...this.describe(device, data),
    })
    this.#bound.set(device, { uio, interrupt })
    interrupt.connect(uio)
  }

  remove(device: PlatformDevice): void {
    const { uio, interrupt } = this.#bound.get(device)!
    this.#bound.delete(device)
    interrupt.disconnect()
    this.#uio.unregister(uio)
    this.removed(device)
  }

  protected abstract describe(
    device: PlatformDevice,
    data: PlatformData,
  ): Pick<UioDriverInfo, 'maps' | 'open' | 'release'>

  protected removed(_device: PlatformDevice): void {}
}

/** uio_pdrv_genirq: a map for each range of registers. */
export class UioPdrvGenirq extends GenericPlatformDriver {
  readonly name = 'uio_pdrv_genirq'

  protected describe(device: PlatformDevice): Pick<UioDriverInfo, 'maps'> {
    return { maps: resourceMaps(device, device.address, inWholePages) }
  }
}

/** uio_dmem_genirq: besides, memory that is there while somebody has the device open. */
export class UioDmemGenirq extends GenericPlatformDriver {
  readonly name = 'uio_dmem_genirq'
  readonly #showsBusAddress: () => boolean
  readonly #regions = new Map<PlatformDevice, DynamicRegions>()

  /** `showsBusAddress`: whether `addr` of a region is its bus address, as before Linux 6.9. */
  constructor(uio: UioClass, showsBusAddress: () => boolean) {
    super(uio)
    this.#showsBusAddress = showsBusAddress
  }

  protected describe(
    device: PlatformDevice,
    data: PlatformData,
  ): Pick<UioDriverInfo, 'maps' | 'open' | 'release'> {
    // The driver asks for the interrupt of devices that only a device tree may leave without.
    if (!device.hasInterrupt) fail('ENXIO', 'the device has no interrupt')
    const own = resourceMaps(device, '', (bar) => bar)
    const sizes = data.dynamicRegions.slice(0, mapLimit - own.length)
    const regions = new DynamicRegions(device, sizes, this.#showsBusAddress())
    this.#regions.set(device, regions)
    return {
      maps: [...own, ...regions.maps],
      open: () => regions.opened(),
      release: () => regions.closed(),
    }
  }

  protected override removed(device: PlatformDevice): void {
    this.#regions.get(device)!.abandoned()
    this.#regions.delete(device)
  }
}

function resourceMaps(device: PlatformDevice, name: string, offered: (bar: Bar) => Bar): UioMap[] {
  return device.bars
    .filter(({ kind }) => kind === 'memory')
    .slice(0, mapLimit)
    .map((bar) => registerMap(name, offered(bar), device.registers(bar.index)))
}

/** A platform device as the UIO core sees it. */
export function uioParent(device: PlatformDevice): UioParent {
  const { address, dma } = device
  return { address, directory: platformPath(address), dma, log: (message) => device.log(message) }
}
