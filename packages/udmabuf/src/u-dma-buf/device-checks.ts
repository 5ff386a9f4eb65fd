import { type DmaDevice, DmaError, directOps, isDmaError, type Kernel } from '@linux-dma/core'

const PCI_DEVICES = '/sys/bus/pci/devices'
const PCI_ADDRESS = /^[0-9a-f]{4,}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/

/** Looks once at each device whether a physical address means anything to it. */
export class DeviceChecks {
  readonly #kernel: Kernel
  readonly #fine = new WeakSet<DmaDevice>()

  /** @throws DMA_TRANSLATED, DMA_INVALID_ARGUMENT; ENOENT where there is no such device */
  constructor(kernel: Kernel, devicePath: string | undefined) {
    this.#kernel = kernel
    if (devicePath !== undefined) directOps({ unsafePhysicalAddresses: true, kernel, devicePath })
  }

  /** @throws DMA_WRONG_KERNEL, DMA_TRANSLATED */
  assertReaches(device: DmaDevice): void {
    if (this.#fine.has(device)) return
    const kernel = this.#kernel
    if (device.kernel !== kernel) {
      throw new DmaError(
        'DMA_WRONG_KERNEL',
        `the u-dma-buf is of the kernel '${kernel.name}', ${device.name} of another, '${device.kernel.name}'`,
        { hint: 'open both through the same kernel' },
      )
    }
    // A device that is none of PCI is called by its node, which says nothing of where it is.
    if (PCI_ADDRESS.test(device.name)) this.#assertUntranslated(device.name)
    this.#fine.add(device)
  }

  #assertUntranslated(pciAddress: string): void {
    const kernel = this.#kernel
    if (this.#driverOf(pciAddress) === 'vfio-pci') {
      throw new DmaError(
        'DMA_TRANSLATED',
        `VFIO gives ${pciAddress} addresses of its own, and takes no other`,
        {
          hint: 'leave it on its own path, and give it memory of allocateDmaMemory(); or bind it to a UIO driver, on a machine where no IOMMU translates for it',
        },
      )
    }
    try {
      directOps({ unsafePhysicalAddresses: true, kernel, pciAddress })
    } catch (error) {
      // One that has gone is for who uses it to notice.
      if (!isDmaError(error, 'ENOENT')) throw error
    }
  }

  #driverOf(pciAddress: string): string | undefined {
    try {
      return this.#kernel.readLink(`${PCI_DEVICES}/${pciAddress}/driver`).split('/').pop()
    } catch (error) {
      if (isDmaError(error, 'ENOENT')) return undefined
      throw error
    }
  }
}
