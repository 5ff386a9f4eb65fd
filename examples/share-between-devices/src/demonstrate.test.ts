import { allocateDmaMemory, createDmaRegion, dmaBitMask } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { createUdmabuf } from '@linux-dma/udmabuf'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { EduDriver } from '../../edu-driver/src/edu-driver'
import { demonstrate } from './demonstrate'

const devices = { first: '0000:00:04.0', second: '0000:00:0a.0' }
const wide = () => new EduDevice({ dmaMask: dmaBitMask(64) })

function machineWith(second: EduDevice) {
  const machine = createFakeMachine()
  machine.addDevice(new EduDevice(), { address: devices.first })
  machine.addDevice(second, { address: devices.second })
  return machine
}

describe('one memory for two devices', () => {
  it('has everybody see the same bytes, and leaves nothing behind', async () => {
    const machine = machineWith(wide())
    const lines: string[] = []
    await demonstrate(machine.kernel, devices, (line) => lines.push(line))
    machine.assertQuiescent()
    machine.assertNoDmaErrors()
    expect(machine.faults).toEqual([])
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
    const addresses = lines.flatMap((line) => /^address +(0x\w+)/.exec(line)?.[1] ?? [])
    expect(new Set(addresses).size).toBe(2)
  })

  it('fails, and leaves nothing behind, where the second device does not reach its address', async () => {
    const machine = machineWith(new EduDevice())
    await expect(demonstrate(machine.kernel, devices, () => {})).rejects.toMatchObject({
      code: 'SHARE_WRONG',
    })
    machine.assertQuiescent()
  })

  it.each(['UDMABUF_CREATE', 'VFIO_IOMMU_MAP_DMA'])(
    'leaves nothing behind where %s fails',
    async (request) => {
      const machine = machineWith(wide())
      machine.failCall({ syscall: `ioctl(${request})`, code: 'ENOMEM' })
      await expect(demonstrate(machine.kernel, devices, () => {})).rejects.toMatchObject({ code: 'ENOMEM' })
      machine.assertQuiescent()
    },
  )

  it('shows a display that imports the dma-buf what the device writes', async () => {
    const machine = machineWith(wide())
    const { kernel } = machine
    {
      using device = openVfioDevice(devices.first, { kernel })
      using memory = allocateDmaMemory({ byteLength: 2 * 4096, kernel })
      using driver = new EduDriver(device)
      createDmaRegion(device, { memory })
      using buffer = createUdmabuf({ memory })
      const display = machine.importDmaBuf(buffer.fd)
      memory.bytes.subarray(0, 1000).fill(0x5a)
      await driver.copyToDevice(memory.bytes.subarray(0, 1000))
      await driver.copyFromDevice(memory.bytes.subarray(4096, 5096))
      expect(display.bytes.subarray(4096, 5096).every((byte) => byte === 0x5a)).toBe(true)
      display.detach()
    }
    machine.assertQuiescent()
  })
})
