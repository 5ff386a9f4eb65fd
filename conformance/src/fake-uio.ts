import { dmaBitMask } from '@linux-dma/core'
import { EduDevice, type FakeMachine, type FakeUio, type UioMem } from '@linux-dma/testkit'
import type { UioHost } from './host'

const PLATFORM = '/sys/bus/platform'
/** What the lab's own driver writes into each of its maps, and where. */
const marks = [
  { name: 'logical', memtype: 'logical', byteLength: 8192, at: 0, mark: 0x4c4f_4749 },
  { name: 'virtual', memtype: 'virtual', byteLength: 5000, at: 0x40, mark: 0x5649_5254 },
  { name: 'coherent', memtype: 'dma-coherent', byteLength: 16384, at: 0, mark: 0x434f_4845 },
] as const
const REGIONS = [16384, 65536]

/** The drivers of the lab on a fake machine, and what an administrator does to them. */
export function fakeUio(machine: FakeMachine): UioHost {
  const { kernel } = machine
  const control = { last: 0, calls: 0 }
  const uio = registerLabUio(machine, control)
  machine.registerUio({ name: 'lab_uio_silent', version: '1' })
  let edu: EduDevice | undefined
  const addPlatformEdu = (driver: 'uio_pdrv_genirq' | 'uio_dmem_genirq', dynamicRegions: number[]) => {
    edu = new EduDevice({ dmaMask: dmaBitMask(64) })
    machine.addPlatformDevice(edu, { name: 'edu.0', driver, uioName: 'edu', dynamicRegions })
  }
  return {
    notify: (count) => uio.notify(count),
    irqcontrol: () => ({ ...control }),
    unbindPlatform: (device) => kernel.writeText(`${PLATFORM}/devices/${device}/driver/unbind`, device),
    bindPlatform(device, driver) {
      kernel.writeText(`${PLATFORM}/drivers/${driver}/bind`, device)
      if (driver === 'lab_uio') writeMarks(uio)
    },
    addPdrv: () => addPlatformEdu('uio_pdrv_genirq', []),
    addDmem(behaviour) {
      machine.setKernelRelease(behaviour === 'old' ? '6.8.0' : '6.12.0')
      addPlatformEdu('uio_dmem_genirq', REGIONS)
    },
    removePlatformEdu() {
      if (edu) machine.removeDevice(edu)
      edu = undefined
    },
    loadDmaMemory: (variant) => machine.setUioDmaMemory(variant),
  }
}

function registerLabUio(machine: FakeMachine, control: { last: number; calls: number }): FakeUio {
  const cmos = new Uint8Array(128)
  let index = 0
  const uio = machine.registerUio({
    name: 'lab_uio',
    version: '1',
    mem: marks.map(
      ({ name, memtype, byteLength, at }): UioMem => ({ name, memtype, byteLength, byteOffset: at }),
    ),
    port: [
      {
        name: 'cmos',
        start: 0x70,
        size: 2,
        porttype: 'port_x86',
        // The first port says which byte the second one is.
        read: (port) => (port === 0x71 ? cmos[index]! : 0xff),
        write(port, value) {
          if (port === 0x70) index = value & 0x7f
          else cmos[index] = value
        },
      },
    ],
    irq: 'custom',
    irqcontrol(on) {
      control.last = on
      control.calls++
    },
  })
  writeMarks(uio)
  return uio
}

/** What the driver does each time that it gets its device. */
function writeMarks(uio: FakeUio): void {
  for (const [index, { at, mark }] of marks.entries()) {
    const { buffer, byteOffset } = uio.bytes(index)
    new DataView(buffer, byteOffset).setUint32(at, mark, true)
  }
}
