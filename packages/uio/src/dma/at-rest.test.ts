import { type DmaMemory, dmaBitMask, dmaSetMaskAndCoherent } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from '../device/open-uio'

function codesOf(warnings: readonly Error[]): unknown[] {
  return warnings.map((warning) => (warning as { code?: string }).code)
}

describe('memory by physical address, when its device is closed', () => {
  function pci() {
    const machine = createFakeMachine({ iommu: 'off' })
    const model = new EduDevice({ dmaMask: dmaBitMask(64) })
    const { address } = machine.addDevice(model, { driver: 'uio_pci_generic' })
    const device = openUio(0, { kernel: machine.kernel, unsafePhysicalAddresses: true })
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    return { machine, address, device }
  }

  function platform() {
    const machine = createFakeMachine({ iommu: 'off' })
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
    machine.failCall({ syscall: 'pwrite64', nth: 1, code: 'EIO' })
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
})
