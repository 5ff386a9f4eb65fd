import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'

const ADDRESS = '0000:00:04.0'

describe('the edu driver over UIO', () => {
  it.each(['off', 'passthrough'] as const)('gets through everything with the IOMMU %s', async (iommu) => {
    const machine = createFakeMachine({ iommu, hugePages: 8 })
    machine.addDevice(new EduDevice(), { address: ADDRESS, driver: null })
    const lines: string[] = []
    await demonstrate(machine.kernel, ADDRESS, (line) => lines.push(line))
    machine.assertQuiescent()
    machine.assertNoDmaErrors()
    expect(lines).toHaveLength(7)
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  })

  it('is refused behind an IOMMU that translates, and the device has its driver back', async () => {
    const machine = createFakeMachine({ hugePages: 8 })
    machine.addDevice(new EduDevice(), { address: ADDRESS })
    await expect(demonstrate(machine.kernel, ADDRESS, () => {})).rejects.toMatchObject({
      code: 'DMA_TRANSLATED',
    })
    expect(machine.kernel.readLink(`/sys/bus/pci/devices/${ADDRESS}/driver`)).toContain('vfio-pci')
    machine.assertQuiescent()
  })
})
