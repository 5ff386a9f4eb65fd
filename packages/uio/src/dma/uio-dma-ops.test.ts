import {
  allocateDmaMemory,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  type DmaError,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaSetMaskAndCoherent,
  type IoRegion,
  type Kernel,
  physicalAddressAt,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice, type FakeMachine, type FakeMachineOptions } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from '../device/open-uio'

const EDU = '0000:00:04.0'
const PAGE = 4096
const { ToDevice, FromDevice } = DmaDirection

function eduMachine(options: FakeMachineOptions = {}): FakeMachine {
  const machine = createFakeMachine({ iommu: 'off', hugePages: 4, ...options })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: EDU, driver: 'uio_pci_generic' })
  return machine
}

function openEdu(machine: FakeMachine, unsafePhysicalAddresses = true) {
  const device = openUio({ pci: EDU }, { kernel: machine.kernel, unsafePhysicalAddresses })
  device.setMaster()
  return device
}

function refusal(action: () => unknown): DmaError {
  try {
    action()
  } catch (error) {
    return error as DmaError
  }
  throw new Error('it went through')
}

async function copy(registers: IoRegion, from: number, to: number, byteLength: number): Promise<void> {
  registers.write64(0x80, BigInt(from))
  registers.write64(0x88, BigInt(to))
  registers.write64(0x90, BigInt(byteLength))
  registers.write32(0x98, from === 0x4_0000 ? 3 : 1)
  await registers.pollUntil(0x98, (command) => (command & 1) === 0, {
    timeoutMilliseconds: 5000,
    intervalMilliseconds: 5,
  })
}

/** A kernel that writes down which system calls are made. */
function recording(kernel: Kernel): { kernel: Kernel; calls: string[] } {
  const calls: string[] = []
  const recorded = new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...parameters: unknown[]) => {
        calls.push(String(name))
        return member.apply(target, parameters)
      }
    },
  })
  return { kernel: recorded, calls }
}

describe('streaming mappings of a UIO device', () => {
  it('have to be asked for', () => {
    const machine = eduMachine()
    using device = openEdu(machine, false)
    using memory = allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel })
    for (const action of [
      () => dmaMapSingle(device, memory.bytes, ToDevice),
      () => createDmaRegion(device, { memory }),
      () => createDmaRegion(device, { byteLength: PAGE }),
    ]) {
      const { code, hint } = refusal(action)
      expect(code).toBe('DMA_UNSAFE_PHYSICAL')
      expect(hint).toMatch(
        /add unsafePhysicalAddresses: true to the options of openUio\(\).*@linux-dma\/vfio/,
      )
    }
    memory.close()
    device.close()
    machine.assertQuiescent()
  })

  it('are refused where an IOMMU translates, asked for or not', () => {
    const machine = eduMachine({ iommu: 'on' })
    const { code, message, hint } = refusal(() =>
      openUio(0, { kernel: machine.kernel, unsafePhysicalAddresses: true }),
    )
    expect(code).toBe('DMA_TRANSLATED')
    expect(message).toContain(EDU)
    expect(hint).toMatch(
      /^leave unsafePhysicalAddresses out.*read zeros and write nowhere.*kernel’s log.*openVfioDevice.*iommu=pt/,
    )
    using device = openEdu(machine, false)
    using memory = allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel })
    expect(refusal(() => dmaMapSingle(device, memory.bytes, ToDevice)).code).toBe('DMA_TRANSLATED')
    expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('DMA_TRANSLATED')
    memory.close()
    device.close()
    machine.assertQuiescent()
  })

  it('are physical addresses where nothing translates', async () => {
    for (const iommu of ['off', 'passthrough'] as const) {
      const machine = eduMachine({ iommu })
      const device = openEdu(machine)
      dmaSetMaskAndCoherent(device, dmaBitMask(64))
      const memory = allocateDmaMemory({ byteLength: 2 * PAGE, kernel: machine.kernel })
      memory.bytes.fill(0x5a, 0, PAGE)
      const out = dmaMapSingle(device, memory.bytes.subarray(0, PAGE), ToDevice)
      const back = dmaMapSingle(device, memory.bytes.subarray(PAGE), FromDevice)
      expect(toNumber(out.dmaAddress)).toBe(toNumber(physicalAddressAt(memory, 0)))
      await copy(device.bar(0), toNumber(out.dmaAddress), 0x4_0000, 100)
      await copy(device.bar(0), 0x4_0000, toNumber(back.dmaAddress), 100)
      expect(back.syncForCpu().subarray(0, 101)).toEqual(
        Uint8Array.from({ length: 101 }, (_, i) => (i < 100 ? 0x5a : 0)),
      )
      device.verifyFrames()
      device.close()
      memory.close()
      machine.assertQuiescent()
    }
  })

  it('bounce what the device does not reach, and what is in the heap', async () => {
    const machine = eduMachine()
    const device = openEdu(machine)
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    using mapping = dmaMapSingle(device, Buffer.from('hello'), ToDevice)
    await copy(device.bar(0), toNumber(mapping.dmaAddress), 0x4_0000, 5)
    expect(bouncePoolOf(device)).toMatchObject({ usedSlots: 1 })
    expect(dmaMaxMappingSize(device)).toBeGreaterThan(0x1_0000)
    mapping.unmap()
    device.close()
    machine.assertQuiescent()
  })

  it('make no system call in a region', () => {
    const machine = eduMachine()
    const { kernel, calls } = recording(machine.kernel)
    const device = openUio(0, { kernel, unsafePhysicalAddresses: true })
    device.setMaster()
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    const region = createDmaRegion(device, { byteLength: 0x20_0000, hugePageSize: 0x20_0000 })
    const view = region.bytes.subarray(PAGE, 3 * PAGE)
    calls.length = 0
    const mapping = dmaMapSingle(device, view, FromDevice)
    const handle = region.mapSingle(0, 64, ToDevice)
    expect(toNumber(mapping.dmaAddress)).toBe(toNumber(region.dmaAddress) + PAGE)
    region.unmapSingle(handle)
    mapping.unmap()
    expect(calls).toEqual([])
    device.close()
    machine.assertQuiescent()
  })

  it('say what privilege is missing', () => {
    const machine = eduMachine({ uid: 1000 })
    machine.chown('/dev/uio0', 1000)
    machine.chown(`/sys/bus/pci/devices/${EDU}/config`, 1000)
    const device = openEdu(machine)
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel })
    const { code, hint } = refusal(() => dmaMapSingle(device, memory.bytes, ToDevice))
    expect(code).toBe('DMA_NO_FRAME')
    expect(hint).toContain('CAP_SYS_ADMIN')
    const coherent = refusal(() => device.allocateCoherent(PAGE))
    expect(coherent.code).toBe('DMA_NO_FRAME')
    expect(coherent.hint).toContain('CAP_SYS_ADMIN')
    device.close()
    memory.close()
    machine.assertQuiescent()
  })
})

describe('coherent memory of a device whose driver has none', () => {
  it('is found where the device reaches it', () => {
    const machine = eduMachine()
    const device = openEdu(machine)
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    const coherent = device.allocateCoherent(3 * PAGE)
    expect(coherent.origin).toBe('direct')
    expect(coherent.bytes).toEqual(new Uint8Array(3 * PAGE))
    expect(toNumber(coherent.dmaAddress)).toBe(toNumber(physicalAddressAt(coherent.memory, 0)))
    coherent.free()
    expect(device.children.size).toBe(0)
    device.close()
    machine.assertQuiescent()
  })

  it('is refused by all that was tried', () => {
    const machine = eduMachine()
    const device = openEdu(machine, false)
    const error = refusal(() => dmaAllocCoherent(device, PAGE))
    expect(error.code).toBe('DMA_UNSAFE_PHYSICAL')
    expect(error.message).toMatch(/4096 bytes of coherent memory for 0000:00:04.0 could not be had/)
    expect(error.message).toMatch(/uio_dmem_genirq: the driver is uio_pci_generic\n/)
    expect(error.message).toMatch(
      /uio dma memory at the magic offset: this kernel’s UIO core allocates none\n/,
    )
    expect(error.message).toMatch(/uio dma memory behind a flag: no map of its driver is one\n/)
    expect(error.message).toMatch(/by physical address: without an IOMMU/)
    expect(error.hint).toContain('unsafePhysicalAddresses: true')
    expect(error.message.match(/hint:/g)).toHaveLength(1)
    device.close()
    machine.assertQuiescent()
  })

  it('is asked for at the magic offset once, and at none of what no slot can be', () => {
    const machine = eduMachine()
    const { kernel, calls } = recording(machine.kernel)
    const device = openUio(0, { kernel })
    device.setMaster()
    refusal(() => device.allocateCoherent(PAGE))
    expect(calls.filter((call) => call === 'mmap')).toHaveLength(1)
    refusal(() => device.allocateCoherent(PAGE))
    expect(calls.filter((call) => call === 'mmap')).toHaveLength(1)
    device.close()
  })

  it('says with a line to type that huge pages are not reserved', () => {
    const machine = eduMachine({ hugePages: 0 })
    const device = openEdu(machine)
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    const { code, hint } = refusal(() => device.allocateCoherent(3 * PAGE))
    expect(code).toBe('DMA_NOT_CONTIGUOUS')
    expect(hint).toContain('echo 1 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')
    device.close()
    machine.assertQuiescent()
  })

  it('explains memory of a driver whose bus address nobody tells', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    machine.registerUio({
      name: 'shared',
      version: '1',
      mem: [{ name: 'coherent', memtype: 'dma-coherent', byteLength: PAGE }],
    })
    const device = openUio(0, { kernel: machine.kernel })
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_UNSAFE_PHYSICAL')
    expect(error.message).toContain("of its own memory, map0 'coherent'")
    expect(error.hint).toContain('device.mapMemory(0)')
    device.close()
    machine.assertQuiescent()
  })
})
