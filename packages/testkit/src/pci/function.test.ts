import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const page = 4096

function opened() {
  const machine = createFakeMachine()
  const device = machine.addDevice(new PlainDevice())
  const session = openByHand(machine, device.address)
  const { kernel } = machine
  const memfd = kernel.memfd('x', { byteLength: 4 * page })
  const mapping = kernel.mmap(memfd, { byteLength: 4 * page })
  const setMaster = (on: boolean) =>
    kernel.write(session.device, new Uint8Array([on ? 0x06 : 0x02]), 7 * 2 ** 40 + 4)
  return { ...session, machine, device, memfd, mapping, setMaster }
}

describe('DMA', () => {
  it('goes where the IOMMU leads it, across pages and mappings', () => {
    const { device, map, container, mapping } = opened()
    map(container, mapping.address, 0x10000n, 0x1000n)
    map(container, mapping.address + 2 * page, 0x11000n, 0x1000n)
    expect(device.writeMemory(0x10fff, [1, 2, 3])).toBe(true)
    expect(mapping.bytes[page - 1]).toBe(1)
    expect([...mapping.bytes.subarray(2 * page, 2 * page + 2)]).toEqual([2, 3])
    expect(device.readMemory(0x10ffen, 4)).toEqual({ complete: true, bytes: [0, 1, 2, 3] })
  })

  it('that the IOMMU refuses moves nothing, reads zeros, and is recorded', () => {
    const { machine, device, map, container, mapping } = opened()
    map(container, mapping.address, 0x10000n, 0x1000n)
    machine.clock.advance(5)
    const time = machine.clock.now()
    expect(device.writeMemory(0x10ffe, [1, 2, 3, 4])).toBe(false)
    expect([...mapping.bytes.subarray(page - 2, page + 2)]).toEqual([1, 2, 0, 0])
    expect(device.readMemory(0xfffe, 4)).toEqual({ complete: false, bytes: [0, 0, 0, 0] })
    expect(machine.faults).toEqual([
      { address: 0x11000, byteLength: 2, device: device.address, direction: 'write', time },
      { address: 0xfffe, byteLength: 2, device: device.address, direction: 'read', time },
    ])
  })

  it('over two stretches that are refused makes two records', () => {
    const { machine, device, map, container, mapping } = opened()
    map(container, mapping.address, 0x10000n, 0x1000n)
    device.writeMemory(0xf000, new Array(3 * page).fill(9))
    expect(machine.faults.map(({ address, byteLength }) => [address, byteLength])).toEqual([
      [0xf000, page],
      [0x11000, page],
    ])
    expect(mapping.bytes[0]).toBe(9)
  })

  it('keeps to the direction that was mapped', () => {
    const { machine, device, map, container, mapping } = opened()
    mapping.bytes[0] = 7
    map(container, mapping.address, 0x10000n, 0x1000n, 1)
    map(container, mapping.address, 0x20000n, 0x1000n, 2)
    expect(device.readMemory(0x10000, 1)).toEqual({ complete: true, bytes: [7] })
    expect(device.writeMemory(0x10000, [8])).toBe(false)
    expect(device.readMemory(0x20000, 1)).toEqual({ complete: false, bytes: [0] })
    expect(device.writeMemory(0x20000, [8])).toBe(true)
    expect(machine.faults.map(({ direction }) => direction)).toEqual(['write', 'read'])
  })

  it('does nothing at all while bus mastering is off', () => {
    const { machine, device, map, container, mapping, setMaster } = opened()
    map(container, mapping.address, 0x10000n, 0x1000n)
    setMaster(false)
    expect(device.writeMemory(0x10000, [1])).toBe(false)
    expect(device.readMemory(0x10000, 1)).toEqual({ complete: false, bytes: [0xee] })
    expect([mapping.bytes[0], machine.faults]).toEqual([0, []])
  })

  it('goes on into pages that the program has unmapped, until the IOMMU lets go of them', () => {
    const { kernel, device, map, unmap, container, mapping, memfd, machine } = opened()
    map(container, mapping.address, 0x10000n, 0x1000n)
    const late = mapping.bytes
    mapping.close()
    expect(device.writeMemory(0x10000, [5])).toBe(true)
    expect(late[0]).toBe(0)
    const bytes = new Uint8Array(1)
    kernel.read(memfd, bytes, 0)
    expect(bytes[0]).toBe(5)
    kernel.close(memfd)
    expect(device.readMemory(0x10000, 1).bytes).toEqual([5])
    unmap(container, 0x10000n, 0x1000n)
    expect(device.writeMemory(0x10000, [6])).toBe(false)
    expect(machine.faults).toHaveLength(1)
  })

  it('is blocked while no one has put the device into a container', () => {
    const machine = createFakeMachine()
    const device = machine.addDevice(new PlainDevice(), { driver: null })
    const config = machine.kernel.open(`/sys/bus/pci/devices/${device.address}/config`, 2)
    machine.kernel.write(config, new Uint8Array([0x06]), 4)
    expect(device.writeMemory(0x1000, [1])).toBe(false)
    expect(machine.faults).toHaveLength(1)
  })

  it('takes addresses that no number holds exactly, and faults', () => {
    const { machine, device } = opened()
    expect(device.readMemory(0xffff_ffff_ffff_f000n, 8).complete).toBe(false)
    expect(machine.faults).toHaveLength(1)
  })
})

describe('without an IOMMU', () => {
  it('bus addresses are physical ones, page by page', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    const { kernel } = machine
    const device = machine.addDevice(new PlainDevice())
    const config = kernel.open(`/sys/bus/pci/devices/${device.address}/config`, 2)
    kernel.write(config, new Uint8Array([0x06]), 4)
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 2 * page }), { byteLength: 2 * page })
    const entries = new BigUint64Array(2)
    kernel.readPagemap(mapping.address, entries)
    const frames = [...entries].map((entry) => Number(entry & ((1n << 55n) - 1n)))
    expect(device.writeMemory(frames[1]! * page + 5, [1, 2])).toBe(true)
    expect([...mapping.bytes.subarray(page + 5, page + 7)]).toEqual([1, 2])
    mapping.bytes[0] = 3
    expect(device.readMemory(frames[0]! * page, 1).bytes).toEqual([3])
    expect(device.writeMemory(0, [1])).toBe(false)
    expect(machine.faults).toHaveLength(1)
  })
})
