import { type DmaError, dmaBitMask, toNumber } from '@linux-dma/core'
import { createFakeMachine, EduDevice, type FakeMachineOptions } from '@linux-dma/testkit'
import { openUio } from '../src/device/open-uio'
import type { UioDevice } from '../src/device/uio-device'

const EDU = '0000:00:04.0'

export function refusal(action: () => unknown): DmaError {
  try {
    action()
  } catch (error) {
    return error as DmaError
  }
  throw new Error('it went through')
}

/** A machine whose UIO core allocates DMA memory, and its edu device, open and on the bus. */
export function patched(uioDmaMemory: 'magic' | 'flag', options: FakeMachineOptions = {}) {
  const machine = createFakeMachine({ uioDmaMemory, ...options })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: EDU, driver: 'uio_pci_generic' })
  const device = openUio(0, { kernel: machine.kernel })
  device.setMaster()
  return { machine, kernel: machine.kernel, device }
}

/** One with an edu device under uio_dmem_genirq. */
export function dmem(kernelRelease: string, options: FakeMachineOptions = {}) {
  const machine = createFakeMachine({ iommu: 'off', kernelRelease, ...options })
  machine.addPlatformDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), {
    name: 'edu.0',
    driver: 'uio_dmem_genirq',
    dynamicRegions: [16384, 65536],
  })
  return { machine, kernel: machine.kernel, open: () => openUio(0, { kernel: machine.kernel }) }
}

/** Has the device copy a pattern through its own buffer, from the allocation's start to its end. */
export async function roundTrip(device: UioDevice, byteLength: number): Promise<string> {
  const memory = device.allocateCoherent(byteLength)
  const registers = device.address === undefined ? device.map(0) : device.bar(0)
  memory.bytes.set(new TextEncoder().encode('to and fro'))
  const move = async (from: number, to: number, command: number) => {
    registers.write64(0x80, BigInt(from))
    registers.write64(0x88, BigInt(to))
    registers.write64(0x90, 10n)
    registers.write32(0x98, command)
    await registers.pollUntil(0x98, (value) => (value & 1) === 0, {
      timeoutMilliseconds: 5000,
      intervalMilliseconds: 5,
    })
  }
  const start = toNumber(memory.dmaAddress)
  await move(start, 0x4_0000, 1)
  await move(0x4_0000, start + byteLength - 10, 3)
  const arrived = new TextDecoder().decode(memory.bytes.slice(-10))
  const { origin } = memory
  memory.free()
  return `${origin}: ${arrived}`
}
