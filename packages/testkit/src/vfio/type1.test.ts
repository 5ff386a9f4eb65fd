import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { fields, openByHand, rawVfio, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'

const page = 4096
const locked = (kernel: { readText(path: string): string }) =>
  Number(/VmLck:\s+(\d+)/.exec(kernel.readText('/proc/self/status'))![1]) / 4

function opened(options: FakeMachineOptions = {}, iommu = 3) {
  const machine = createFakeMachine(options)
  const device = machine.addDevice(new PlainDevice())
  if (options.uid) machine.chown(machine.groupNode(device.address), options.uid)
  const session = openByHand(machine, device.address, iommu)
  const { kernel } = machine
  const memfd = kernel.memfd('x', { byteLength: 16 * page })
  const mapping = kernel.mmap(memfd, { byteLength: 16 * page })
  const { container } = session
  const map = (iova: bigint, pages: number, offset = 0, flags = 3) =>
    outcome(() => session.map(container, mapping.address + offset, iova, BigInt(pages * page), flags))
  const unmap = (iova: bigint, pages: number, flags = 0) =>
    outcome(() => session.unmap(container, iova, BigInt(pages * page), flags))
  return { machine, kernel, device, session, container, memfd, mapping, map, unmap }
}

describe('locked memory', () => {
  it('is counted for each mapping, aliases too, together with mlock', () => {
    const { kernel, map, unmap, mapping } = opened({ uid: 1000, memlockLimit: 10 * page })
    expect([map(0n, 4), map(0x100000n, 4)]).toEqual(['OK(0)', 'OK(0)'])
    kernel.mlock(mapping, 0, 2 * page)
    expect(locked(kernel)).toBe(10)
    expect(map(0x200000n, 1)).toBe('ENOMEM')
    expect(outcome(() => kernel.mlock(mapping, 4 * page, 1))).toBe('ENOMEM')
    unmap(0n, 4)
    expect(locked(kernel)).toBe(6)
    expect(map(0x200000n, 4)).toBe('OK(0)')
  })

  it('is all or nothing when the limit, or the end of the memory, comes half way', () => {
    const { kernel, map } = opened({ uid: 1000, memlockLimit: 20 * page })
    expect(map(0n, 17)).toBe('EFAULT')
    expect(locked(kernel)).toBe(0)
    expect(map(0n, 16)).toBe('OK(0)')
    // The limit is met before the hole is.
    expect(map(0x100000n, 17)).toBe('ENOMEM')
    expect(locked(kernel)).toBe(16)
  })

  it('is not limited for those who may lock', () => {
    const { map } = opened({ uid: 1000, memlockLimit: 0, capabilities: ['CAP_IPC_LOCK'] })
    expect(map(0n, 16)).toBe('OK(0)')
  })
})

describe('the number of mappings', () => {
  it('is limited by dma_entry_limit, as it was when the IOMMU was set', () => {
    const { kernel, session, container, map, unmap } = opened({ dmaEntryLimit: 2 })
    const left = () => {
      const info = new Uint8Array(256)
      info.set(struct(256))
      session.call(container, 'VFIO_IOMMU_GET_INFO', info)
      return fields(info).u32(24 + 32 + 8)
    }
    expect(left()).toBe(2)
    expect([map(0n, 1), map(0x10000n, 1), map(0x20000n, 1)]).toEqual(['OK(0)', 'OK(0)', 'ENOSPC'])
    expect(left()).toBe(0)
    const parameter = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'
    expect(kernel.readText(parameter)).toBe('2\n')
    kernel.writeText(parameter, '100')
    expect(map(0x20000n, 1)).toBe('ENOSPC')
    unmap(0n, 1)
    expect(map(0x20000n, 1)).toBe('OK(0)')
    expect(outcome(() => kernel.writeText(parameter, 'many'))).toBe('EINVAL')
  })
})

describe('IOMMU_GET_INFO', () => {
  it('says how much room it needs, and writes no further than argsz', () => {
    const { session, container } = opened()
    for (const argsz of [16, 20, 24, 119]) {
      const info = new Uint8Array(200).fill(0xaa)
      info.set(struct(argsz))
      session.call(container, 'VFIO_IOMMU_GET_INFO', info)
      expect(fields(info).u32(0)).toBe(120)
      expect(info.subarray(Math.min(argsz, 24)).every((byte) => byte === 0xaa)).toBe(true)
    }
    const exact = new Uint8Array(120)
    exact.set(struct(120))
    session.call(container, 'VFIO_IOMMU_GET_INFO', exact)
    expect([fields(exact).u32(0), fields(exact).u32(16)]).toEqual([120, 24])
  })

  it('refuses an argsz that is too small, and one that promises more than there is', () => {
    const { session, container } = opened()
    const call = (bytes: Uint8Array) => outcome(() => session.call(container, 'VFIO_IOMMU_GET_INFO', bytes))
    expect(call(struct(12, 0, 0n))).toBe('EINVAL')
    expect(call(struct(120, 0, 0n, 0, 0))).toBe('EFAULT')
    expect(call(new Uint8Array(4))).toBe('EFAULT')
  })
})

describe('version 1', () => {
  it('takes whole mappings where the range begins at or before them', () => {
    const { map, unmap } = opened({}, 1)
    map(0n, 4)
    map(0x4000n, 4)
    expect(unmap(0x1000n, 1)).toBe('OK(0)')
    expect(unmap(0n, 5)).toBe(`OK(${8 * page})`)
    map(0n, 4)
    expect(unmap(0n, 1)).toBe(`OK(${4 * page})`)
  })
})

describe('vaddr updates', () => {
  it('give an address up and take another, with the mapping untouched', () => {
    const { map, unmap, device, mapping } = opened()
    map(0n, 2)
    expect(map(0n, 2, 0, 4)).toBe('EINVAL')
    expect(map(0x10000n, 2, 0, 4)).toBe('ENOENT')
    expect(unmap(0n, 2, 4)).toBe(`OK(${2 * page})`)
    expect(unmap(0n, 2, 4)).toBe('EINVAL')
    expect(device.writeMemory(0, [3])).toBe(true)
    expect(mapping.bytes[0]).toBe(3)
    expect(map(0n, 1, 0, 4)).toBe('EINVAL')
    expect(map(0n, 2, 0, 4 | 1)).toBe('EINVAL')
    expect(map(0n, 2, 0, 4)).toBe('OK(0)')
    expect(unmap(0n, 2)).toBe(`OK(${2 * page})`)
  })
})

describe('dirty pages', () => {
  function tracked() {
    const all = opened()
    const { kernel, session, container, memfd } = all
    const bitmap = kernel.mmap(memfd, { byteLength: page, position: 15 * page })
    const dirty = (flags: number) =>
      outcome(() => session.call(container, 'VFIO_IOMMU_DIRTY_PAGES', struct(8, flags)))
    const get = (iova: bigint, size: bigint, unit = 4096n, bytes = 8n, data = BigInt(bitmap.address)) =>
      outcome(() =>
        session.call(container, 'VFIO_IOMMU_DIRTY_PAGES', struct(48, 4, iova, size, unit, bytes, data)),
      )
    return { ...all, bitmap, dirty, get }
  }

  it('are all that are mapped, in the bit of their page', () => {
    const { map, dirty, get, bitmap } = tracked()
    map(0x1000n, 2)
    map(0x8000n, 1)
    dirty(1)
    expect(get(0x1000n, 0x10000n)).toBe('OK(0)')
    expect(fields(bitmap.bytes).u64(0)).toBe(0b1000_0011n)
  })

  it('are refused when tracking is off, ranges cut mappings, or the bitmap is wrong', () => {
    const { map, dirty, get } = tracked()
    map(0n, 4)
    expect(get(0n, 0x4000n)).toBe('EINVAL')
    dirty(1)
    const rows: [string, string][] = [
      [get(0n, 0x2000n), 'EINVAL'],
      [get(0x1000n, 0x3000n), 'EINVAL'],
      [get(0n, 0n), 'EINVAL'],
      [get(1n, 0x4000n), 'EINVAL'],
      [get(0n, 0x4000n, 8192n), 'EINVAL'],
      [get(0n, 0x4000n, 4096n, 4n), 'EINVAL'],
      [get(0n, 0x4000n, 4096n, 8n, 0n), 'EFAULT'],
      [get((1n << 64n) - 4096n, 0x4000n), 'EINVAL'],
      [dirty(3), 'EINVAL'],
      [dirty(0), 'EINVAL'],
      [dirty(8), 'EINVAL'],
      [get(0n, 0x4000n), 'OK(0)'],
    ]
    for (const [actual, expected] of rows) expect(actual).toBe(expected)
  })

  it('can be had with the unmapping', () => {
    const { session, container, map, dirty, bitmap } = tracked()
    map(0n, 4)
    const argument = struct(48, 1, 0n, 0x4000n, 4096n, 8n, BigInt(bitmap.address))
    expect(outcome(() => session.call(container, 'VFIO_IOMMU_UNMAP_DMA', argument))).toBe('EINVAL')
    dirty(1)
    expect(outcome(() => session.call(container, 'VFIO_IOMMU_UNMAP_DMA', argument))).toBe('OK(0)')
    expect([fields(argument).u64(16), bitmap.bytes[0]]).toEqual([0x4000n, 0x0f])
    const both = struct(48, 1 | 2, 0n, 0n, 4096n, 8n, BigInt(bitmap.address))
    expect(outcome(() => session.call(container, 'VFIO_IOMMU_UNMAP_DMA', both))).toBe('EINVAL')
  })
})

describe('the life of a container', () => {
  it('goes on after its descriptor is closed, until its last group leaves', () => {
    const { kernel, session, container, device, map, mapping } = opened()
    map(0n, 1)
    kernel.close(container)
    expect(device.writeMemory(0, [4])).toBe(true)
    expect(mapping.bytes[0]).toBe(4)
    kernel.close(session.device)
    expect(locked(kernel)).toBe(1)
    kernel.close(session.group)
    expect(locked(kernel)).toBe(0)
  })

  it('loses its IOMMU when the group leaves it, and can be used again', () => {
    const { kernel, session, container, map } = opened()
    const { call, device, group } = session
    map(0n, 1)
    kernel.close(device)
    call(group, 'VFIO_GROUP_UNSET_CONTAINER')
    expect(locked(kernel)).toBe(0)
    expect(map(0n, 1)).toBe('EINVAL')
    expect(outcome(() => call(group, 'VFIO_GROUP_UNSET_CONTAINER'))).toBe('EINVAL')
    call(group, 'VFIO_GROUP_SET_CONTAINER', struct(container))
    expect(outcome(() => call(group, 'VFIO_GROUP_GET_DEVICE_FD', session.text('0000:00:04.0')))).toBe(
      'EINVAL',
    )
    call(container, 'VFIO_SET_IOMMU', 1)
    expect(map(0n, 1)).toBe('OK(0)')
  })

  it('is shared by its groups', () => {
    const { machine, kernel, container, session, map, device } = opened()
    const second = machine.addDevice(new PlainDevice())
    const group = kernel.open(machine.groupNode(second.address), O_RDWR)
    session.call(group, 'VFIO_GROUP_SET_CONTAINER', struct(container))
    const fd = session.call(group, 'VFIO_GROUP_GET_DEVICE_FD', session.text(second.address))
    kernel.write(fd, new Uint8Array([0x06]), 7 * 2 ** 40 + 4)
    map(0n, 1)
    device.writeMemory(0, [1, 2])
    expect(second.readMemory(0, 2).bytes).toEqual([1, 2])
    kernel.close(fd)
    session.call(group, 'VFIO_GROUP_UNSET_CONTAINER')
    expect(locked(kernel)).toBe(1)
  })

  it('needs interrupt remapping, or the word that it may do without', () => {
    const machine = createFakeMachine({ interruptRemapping: false })
    const { address } = machine.addDevice(new PlainDevice())
    expect(outcome(() => openByHand(machine, address))).toBe('EPERM')
    const { kernel } = machine
    for (const fd of [4, 3]) kernel.close(fd)
    const parameter = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'
    expect(kernel.readText(parameter)).toBe('N\n')
    expect(outcome(() => kernel.writeText(parameter, 'perhaps'))).toBe('EINVAL')
    kernel.writeText(parameter, 'Y')
    expect(kernel.readText(parameter)).toBe('Y\n')
    expect(outcome(() => openByHand(machine, address))).toMatch(/^OK/)
    const unsafe = createFakeMachine({ interruptRemapping: false, allowUnsafeInterrupts: true })
    const other = unsafe.addDevice(new PlainDevice())
    expect(outcome(() => openByHand(unsafe, other.address))).toMatch(/^OK/)
  })

  it('takes no file that is none, no group twice, and no unknown request', () => {
    const { kernel, session, container } = opened()
    const { call, group } = session
    const join = (fd: number) => outcome(() => call(group, 'VFIO_GROUP_SET_CONTAINER', struct(fd >>> 0)))
    expect([join(container), join(-1), join(99)]).toEqual(['EINVAL', 'EINVAL', 'EBADF'])
    expect(outcome(() => kernel.ioctl(container, 0x3bff))).toBe('ENOTTY')
    expect(outcome(() => kernel.ioctl(group, 0x3bff))).toBe('ENOTTY')
    expect(outcome(() => kernel.ioctl(session.device, 0x3bff))).toBe('ENOTTY')
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new PlainDevice())
    const alone = machine.kernel.open(machine.groupNode(address), O_RDWR)
    const eventfd = machine.kernel.eventfd()
    const wrong = () => rawVfio(machine.kernel).call(alone, 'VFIO_GROUP_SET_CONTAINER', struct(eventfd))
    expect(outcome(wrong)).toBe('EBADFD')
  })
})
