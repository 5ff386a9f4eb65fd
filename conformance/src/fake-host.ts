import { dmaBitMask } from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import {
  createAhciController,
  createFakeMachine,
  E1000Device,
  EduDevice,
  type FakeMachine,
  type FakeMachineOptions,
} from '@linux-dma/testkit'
import { fakeDmaBufImporter } from './dma-buf-importer-fake'
import { fakeUio } from './fake-uio'
import type { Host } from './host'
import { NvmeController } from './nvme-controller'
import { E1000e, IvshmemPlain } from './pci-models'
import { groupPath } from './raw-vfio'
import { runScenario } from './scenarios'
import type { MachineKind } from './suite'

const EDU = '0000:00:04.0'
const WIDE_EDU = '0000:00:0a.0'
const NVME = '0000:00:08.0'
const AHCI = '0000:00:05.0'
const DISK_BYTES = 0x10_0000

/** What the fake machine's IOMMU is like, where there is one that is not simply on. */
const iommus: Partial<Record<MachineKind, 'off' | 'passthrough'>> = {
  'no-iommu': 'off',
  'uio-drivers': 'off',
  'pass-through': 'passthrough',
  'dma-buf': 'passthrough',
}

/** A fake machine with what the suites need. */
export function fakeHost(kind: MachineKind): Host {
  const machine = createFakeMachine(machineOptions(kind))
  plugIn(machine, kind)
  return hostOn(machine, kind)
}

/** What a fake machine of this kind is like. */
export function machineOptions(kind: MachineKind): FakeMachineOptions {
  const iommu = iommus[kind] ?? 'on'
  return { seed: 1, hugePages: 8, iommu, interruptRemapping: kind !== 'no-remapping' }
}

/** Puts in the devices that the suites need. */
export function plugIn(machine: FakeMachine, kind: MachineKind): void {
  addDevices(machine, addressBits(kind))
  if (kind !== 'dma-buf') return
  bindDriver(WIDE_EDU, 'vfio-pci', { kernel: machine.kernel })
  machine.addUDmaBuf({ size: 0x10_0000, dmaMaskBits: 28 })
}

/** By physical address the device has to reach the machine's memory, which begins at 4 GiB. */
function addressBits(kind: MachineKind): number {
  return ['no-iommu', 'pass-through', 'dma-buf'].includes(kind) ? 40 : 28
}

/** A machine that has its devices, as the suites see it. */
export function hostOn(machine: FakeMachine, kind: MachineKind): Host {
  return {
    name: 'fake',
    kernel: machine.kernel,
    edu: EDU,
    eduAddressBits: addressBits(kind),
    wideEdu: WIDE_EDU,
    uio: fakeUio(machine),
    nvme: NVME,
    ahci: AHCI,
    shared: { first: '0000:00:1f.2', second: '0000:00:1f.3', otherDriver: 'uio_pci_generic' },
    modeOf: (path) => machine.stat(path).mode,
    async unbind(address) {
      // Where Linux makes the writer wait, the fake, which has no second process, says EBUSY: it tries again.
      for (;;) {
        try {
          return machine.kernel.writeText(`/sys/bus/pci/devices/${address}/driver/unbind`, address)
        } catch (error) {
          if ((error as { code?: string }).code !== 'EBUSY') throw error
          await machine.kernel.clock.sleep(1)
        }
      }
    },
    importDmaBuf: (fd) => fakeDmaBufImporter(machine, fd),
    asUser: async (scenario, { ownsGroup, memlockBytes }) => {
      const user = createFakeMachine({ seed: 1, hugePages: 8, uid: 1000, memlockLimit: memlockBytes })
      addDevices(user, addressBits('iommu'))
      if (ownsGroup) user.chown(groupPath(user.kernel, EDU), 1000)
      return runScenario(scenario, user.kernel, EDU)
    },
  }
}

function addDevices(machine: FakeMachine, bits: number): void {
  // Bound to vfio-pci, where there is an IOMMU: without one that driver takes no device.
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(bits) }), { address: EDU })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: WIDE_EDU, driver: null })
  machine.addDevice(new NvmeController(), { address: NVME })
  const disk = { bytes: new Uint8Array(DISK_BYTES), serial: 'lab-disk' }
  machine.addDevice(createAhciController({ disks: [disk] }), { address: AHCI, driver: null })
  machine.addDevice(new E1000Device(), { address: '0000:00:09.0' })
  machine.addDevice(new IvshmemPlain(), { address: '0000:00:0b.0', driver: null })
  machine.addDevice(new E1000e(), { address: '0000:00:0c.0', driver: null })
  for (const address of ['0000:00:1f.2', '0000:00:1f.3']) {
    machine.addDevice(new EduDevice(), { address, driver: null, group: 3 })
  }
}
