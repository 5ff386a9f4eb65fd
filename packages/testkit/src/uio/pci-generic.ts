import { fail } from '../errors'
import type { PciDriver } from '../pci/drivers'
import type { PciFunction } from '../pci/function'
import { devicePath } from '../pci/sysfs'
import type { UioDevice } from './device'
import { mapLimit } from './driver-info'
import { inWholePages, registerMap, type UioMap } from './map'
import type { UioClass } from './uio-class'

/**
 * uio_pci_generic: any PCI device, its registers and its INTx. At each interrupt it switches the pin off in the command
 * register, where the program switches it on again. Whoever closes the device stops its DMA for everybody.
 */
export class UioPciGeneric implements PciDriver {
  readonly name = 'uio_pci_generic'
  readonly ids = new Set<string>()
  readonly #uio: UioClass
  readonly #claimed: (device: PciFunction) => boolean
  readonly #bound = new Map<PciFunction, UioDevice>()

  /** `claimed`: whether VFIO has the device's group. */
  constructor(uio: UioClass, claimed: (device: PciFunction) => boolean) {
    this.#uio = uio
    this.#claimed = claimed
  }

  probe(device: PciFunction): void {
    if (this.#claimed(device)) fail('EBUSY', 'VFIO has the IOMMU group of the device')
    const { hasInterruptPin, interruptPinMaskable } = device.config
    if (hasInterruptPin && !interruptPinMaskable) {
      fail('ENODEV', 'INTx of the device cannot be switched off in the command register')
    }
    device.enable()
    let uio: UioDevice
    try {
      uio = this.#register(device, hasInterruptPin)
    } catch (error) {
      device.disable()
      throw error
    }
    this.#bound.set(device, uio)
    device.sink = {
      messages: false,
      message: () => 'lost',
      lineAsserted() {
        device.config.disableInterruptPin()
        uio.notify()
      },
    }
    if (device.lineAsserted) device.sink.lineAsserted()
  }

  remove(device: PciFunction): void {
    device.sink = undefined
    this.#uio.unregister(this.#bound.get(device)!)
    this.#bound.delete(device)
    device.disable()
  }

  #register(device: PciFunction, hasInterrupt: boolean): UioDevice {
    const { address, dma } = device
    const log = (message: string) => device.log(message)
    return this.#uio.register(
      { address, directory: devicePath(address), dma, log },
      {
        name: this.name,
        version: '0.01.0',
        maps: barMaps(device),
        ports: [],
        hasInterrupt,
        release: () => device.config.clearMaster(),
      },
    )
  }
}

/** BARs 0 to 4 that are 32 bits wide, in memory space and not prefetchable: the driver sees no others. */
function barMaps(device: PciFunction): UioMap[] {
  return device.bars
    .filter(({ index, kind, addressWidth, prefetchable }) => {
      return index < mapLimit && kind === 'memory' && addressWidth === 32 && !prefetchable
    })
    .sort((a, b) => a.index - b.index)
    .map((bar) => registerMap(device.address, inWholePages(bar), device.registers(bar.index)))
}
