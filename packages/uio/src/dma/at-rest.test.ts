import {
  bouncePoolOf,
  DmaDirection,
  type DmaMemory,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaUnmapSingle,
  type Kernel,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from '../device/open-uio'

function codesOf(warnings: readonly Error[]): unknown[] {
  return warnings.map((warning) => (warning as { code?: string }).code)
}

/** Where configuration space has the command register, and its bit for bus mastering. */
const PCI_COMMAND = 4
const PCI_COMMAND_MASTER = 4

/** A kernel that is slow to disable the device of a driver that has gone, by so many looks; Infinity: another enabled it too. */
function slowToDisable(looks: number) {
  let left = 0
  const wrapped = (kernel: Kernel) => {
    const read: Kernel['read'] = (fd, bytes, position) => {
      const count = kernel.read(fd, bytes, position)
      if (position === PCI_COMMAND && left-- > 0) bytes[0]! |= PCI_COMMAND_MASTER
      return count
    }
    return new Proxy(kernel, {
      get(target, name) {
        if (name === 'read') return read
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  const unbind = () => {
    left = looks
  }
  return { wrapped, unbind }
}

describe('memory by physical address, when its device is closed', () => {
  function pci(wrapped: (kernel: Kernel) => Kernel = (kernel) => kernel) {
    // Most are closed with memory left, on purpose.
    const machine = createFakeMachine({ iommu: 'off', checks: 'collect' })
    const model = new EduDevice({ dmaMask: dmaBitMask(64) })
    const { address } = machine.addDevice(model, { driver: 'uio_pci_generic' })
    const device = openUio(0, { kernel: wrapped(machine.kernel), unsafePhysicalAddresses: true })
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    return { machine, address, model, device }
  }

  function platform() {
    const machine = createFakeMachine({ iommu: 'off', hugePages: 1, checks: 'collect' })
    const model = new EduDevice({ dmaMask: dmaBitMask(64) })
    machine.addPlatformDevice(model, { name: 'edu.0', driver: 'uio_pdrv_genirq', uioName: 'edu' })
    const device = openUio({ name: 'edu' }, { kernel: machine.kernel, unsafePhysicalAddresses: true })
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    return { machine, device }
  }

  it('is not given back before bus mastering is off, where turning it off fails', () => {
    const { machine, device } = pci()
    device.setMaster()
    const { memory } = device.allocateCoherent(4096)
    const states: boolean[] = []
    const endQuarantine = memory.endQuarantine.bind(memory)
    const watched = memory as { endQuarantine: DmaMemory['endQuarantine'] }
    watched.endQuarantine = (of) => {
      states.push(memory.quarantined)
      endQuarantine(of)
    }
    machine.failCall({ syscall: 'pwrite', nth: 1, code: 'EIO' })
    expect(() => device.close()).toThrow('EIO')
    // The kernel turned it off when the node was closed, which is the proof.
    expect([states, memory.closed, memory.quarantined]).toEqual([[true], true, false])
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('goes as ever where the driver went with it turned on', () => {
    const { machine, address, device } = pci()
    device.setMaster()
    const { memory } = device.allocateCoherent(4096)
    machine.kernel.writeText('/sys/bus/pci/drivers/uio_pci_generic/unbind', address)
    device.close()
    expect([memory.closed, memory.quarantined]).toEqual([true, false])
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('waits for the kernel to disable a device whose driver has gone, and not for long', () => {
    for (const [looks, kept] of [
      [3, false],
      [Number.POSITIVE_INFINITY, true],
    ] as const) {
      const { wrapped, unbind } = slowToDisable(looks)
      const { machine, address, device } = pci(wrapped)
      device.setMaster()
      const { memory } = device.allocateCoherent(4096)
      machine.kernel.writeText('/sys/bus/pci/drivers/uio_pci_generic/unbind', address)
      unbind()
      device.close()
      expect([memory.closed, memory.quarantined]).toEqual([true, kept])
      expect(codesOf(machine.warnings)).toEqual(kept ? ['DMA_NOT_QUIET'] : [])
    }
  })

  it('is given back where the device was unplugged', () => {
    const { machine, model, device } = pci()
    device.setMaster()
    const { memory } = device.allocateCoherent(4096)
    machine.removeDevice(model)
    device.close()
    expect([memory.closed, memory.quarantined]).toEqual([true, false])
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('is kept where nothing can stop the device', () => {
    for (const unbind of [false, true]) {
      const { machine, device } = platform()
      const { memory } = device.allocateCoherent(4096)
      if (unbind) machine.kernel.writeText('/sys/bus/platform/devices/edu.0/driver/unbind', 'edu.0')
      device.close()
      expect([memory.closed, memory.quarantined]).toEqual([true, true])
      expect(codesOf(machine.warnings)).toEqual(['DMA_NOT_QUIET'])
    }
  })

  it('is given back where the program freed it first', () => {
    const { machine, device } = platform()
    device.allocateCoherent(4096).free()
    device.close()
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('is given back with the slots that bytes were copied through, where all of them were unmapped', () => {
    const { machine, device } = platform()
    const other = device.allocateCoherent(4096)
    dmaUnmapSingle(device, dmaMapSingle(device, Buffer.from('hello'), DmaDirection.ToDevice))
    expect(bouncePoolOf(device)?.usedSlots).toBe(0)
    other.free()
    device.close()
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('is kept with the slots while one of them is mapped', () => {
    const { machine, device } = platform()
    dmaMapSingle(device, Buffer.from('hello'), DmaDirection.ToDevice)
    device.close()
    expect(codesOf(machine.warnings)).toEqual(['DMA_NOT_QUIET'])
  })
})
