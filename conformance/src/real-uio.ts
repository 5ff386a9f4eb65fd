import { execFileSync } from 'node:child_process'
import type { Kernel } from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import type { UioHost } from './host'

const LAB_UIO = '/sys/devices/platform/lab_uio'
const PLATFORM_DRIVERS = '/sys/bus/platform/drivers'
/** The lab's PCI driver that makes a platform device of an edu device. */
const BRIDGE = 'lab_edu_platform'

/** What an administrator does to the UIO drivers of a real machine. @param edu PCI address of the one to make a platform device of */
export function realUio(kernel: Kernel, edu: string): UioHost {
  const addPlatformEdu = (driver: string) => {
    kernel.writeText(`/sys/module/${BRIDGE}/parameters/driver`, driver)
    bindDriver(edu, BRIDGE, { kernel })
  }
  return {
    notify: (count) => kernel.writeText(`${LAB_UIO}/notify`, `${count}`),
    irqcontrol() {
      const [last, calls] = kernel.readText(`${LAB_UIO}/irqcontrol`).trim().split(' ').map(Number)
      return { last: last!, calls: calls! }
    },
    unbindPlatform: (device) => kernel.writeText(`/sys/bus/platform/devices/${device}/driver/unbind`, device),
    bindPlatform: (device, driver) => kernel.writeText(`${PLATFORM_DRIVERS}/${driver}/bind`, device),
    addPdrv: () => addPlatformEdu('uio_pdrv_genirq'),
    addDmem(behaviour) {
      unload('uio_dmem_genirq', 'uio_dmem_genirq_old')
      load(behaviour === 'old' ? 'uio_dmem_genirq_old' : 'uio_dmem_genirq')
      addPlatformEdu('uio_dmem_genirq')
    },
    removePlatformEdu: () => void bindDriver(edu, null, { kernel }),
    loadDmaMemory(variant) {
      unload('uio_pci_generic', 'uio_dma_mem')
      load('uio_dma_mem', `variant=${variant}`)
      load('uio_pci_generic')
    },
  }

  /** Whichever of the modules are loaded, in this order. */
  function unload(...modules: string[]): void {
    const loaded = new Set(kernel.list('/sys/module'))
    for (const name of modules) if (loaded.has(name)) execFileSync('rmmod', [name])
  }
}

function load(module: string, ...parameters: string[]): void {
  execFileSync('insmod', [`/lib/modules/${module}.ko`, ...parameters])
}
