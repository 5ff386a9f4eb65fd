import { DmaError, type Kernel } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { dmaAllocCoherent } from '../allocation/coherent'
import { dmaAllocNoncoherent } from '../allocation/noncoherent'
import { bounceOps } from '../bounce/bounce-ops'
import { DmaDevice } from '../device/dma-device'
import { dmaBitMask, dmaSetMaskAndCoherent } from '../device/masks'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { DmaMemory } from '../memory/memory'
import { physicalAddressAt } from '../memory/physical'
import { exportDmaMemory, importDmaMemory } from '../memory/share-memory'
import { dmaPoolCreate } from '../pool/dma-pool-create'
import { toNumber } from '../vocabulary/address'
import { DmaAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import { createDmaRegion } from './create-region'
import { directOps } from './direct-ops'
import type { DmaRegion } from './region'
import { dmaMapSingle } from './streaming'

const PAGE = 4096

function machineWithDevice(options: Parameters<typeof createFakeMachine>[0] = {}) {
  const machine = createFakeMachine({ iommu: 'off', ...options })
  const { kernel } = machine
  const device = new DmaDevice('bare', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
  dmaSetMaskAndCoherent(device, dmaBitMask(64))
  return { machine, kernel, device }
}

describe('directOps', () => {
  it('keeps the pins of mappings that are alike apart', () => {
    const { machine, kernel, device } = machineWithDevice()
    using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const mappings = Array.from({ length: 5 }, () =>
      dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice),
    )
    for (const mapping of mappings) {
      expect(memory.isPinned()).toBe(true)
      mapping.unmap()
    }
    expect(memory.isPinned()).toBe(false)
    memory.close()
    machine.assertQuiescent()
  })

  it('gives back what it pinned where the frames are not told', () => {
    const { machine, kernel, device } = machineWithDevice({ uid: 1000 })
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    expect(() => dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)).toThrow('DMA_NO_FRAME')
    expect(memory.regions.size).toBe(0)
    memory.close()
    machine.assertQuiescent()
  })

  it('pins huge pages whole, where that is allowed', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    const memory = allocateDmaMemory({ byteLength: 0x40_0000, hugePageSize: 0x20_0000, kernel })
    const before = kernel.live().descriptors
    const parts = [5, PAGE, 0x1f_ffff].map((start) =>
      dmaMapSingle(device, memory.bytes.subarray(start, start + 1), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors).toBe(before + 1)
    const other = dmaMapSingle(device, memory.bytes.subarray(0x20_0000), DmaDirection.ToDevice)
    expect(kernel.live().descriptors).toBe(before + 2)
    for (const mapping of [...parts, other]) mapping.unmap()
    expect(kernel.live().descriptors).toBe(before)
    memory.close()
    machine.assertQuiescent()
  })

  it('takes huge pages as they are, where they may not be pinned', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    kernel.writeText('/proc/sys/kernel/io_uring_disabled', '2')
    const byteLength = 0x40_0000
    const region = createDmaRegion(device, { byteLength, hugePageSize: 0x20_0000 })
    expect(region.addressAt(PAGE + 5, 1)).toBe(physicalAddressAt(region.memory, PAGE + 5))
    device.close()
    machine.assertQuiescent()
  })

  it('keeps the pins of memories that have the same pages apart', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const imported = importDmaMemory(exportDmaMemory(memory), { kernel })
    const first = createDmaRegion(device, { memory })
    const second = createDmaRegion(device, { memory: imported })
    expect(second.dmaAddress).toBe(first.dmaAddress)
    second.close()
    imported.close()
    expect(memory.isPinned()).toBe(true)
    device.ops.verify?.()
    first.close()
    memory.close()
    machine.assertQuiescent()
  })

  it('quarantines memory that it could not let go', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const mapping = dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)
    machine.failCall({ syscall: 'close', nth: 1, code: 'EIO' })
    expect(() => mapping.unmap()).toThrow('EIO')
    expect(memory.quarantined).toBe(true)
  })

  it('tells that the device gets physical addresses', () => {
    const { device } = machineWithDevice()
    expect(device.ops).toMatchObject({ name: 'direct', physical: true, pins: true, coherent: true })
    expect(device.ops.iommu).toBeUndefined()
  })
})

/** A kernel that has moved all memory by `pages`. */
function movingKernel(kernel: Kernel): { kernel: Kernel; move(pages: bigint): void } {
  let moved = 0n
  const readPagemap: Kernel['readPagemap'] = (address, entries) => {
    const count = kernel.readPagemap(address, entries)
    for (let index = 0; index < count; index++) entries[index]! += moved
    return count
  }
  const moving = new Proxy(kernel, {
    get(target, name) {
      if (name === 'readPagemap') return readPagemap
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return {
    kernel: moving,
    move: (pages) => {
      moved = pages
    },
  }
}

describe('frames that a device was given', () => {
  it('are looked at again, and named where they moved', () => {
    const machine = createFakeMachine({ iommu: 'off', hugePages: 1 })
    const { kernel, move } = movingKernel(machine.kernel)
    const device = new DmaDevice(
      'bare',
      kernel,
      bounceOps(directOps({ unsafePhysicalAddresses: true, kernel })),
    )
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    const region = createDmaRegion(device, { byteLength: 0x20_0000, hugePageSize: 0x20_0000 })
    const hidden = dmaAllocCoherent(device, PAGE, DmaAttribute.NoKernelMapping)
    const coherent = dmaAllocCoherent(device, PAGE)
    const pool = dmaPoolCreate('pool', device, 64, 64)
    const block = pool.get()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, PAGE), DmaDirection.ToDevice)
    const handle = region.mapSingle(PAGE, PAGE, DmaDirection.ToDevice)
    const address = toNumber(region.dmaAddress)
    device.ops.verify?.()
    move(512n)
    const failure = outcome(() => device.ops.verify?.())
    expect(failure.code).toBe('DMA_FRAME_MOVED')
    expect(failure.message).toContain(address.toString(16))
    expect(failure.hint).toMatch(/unmap or close what lies there/)
    expect(device.dmaReady).toBe(false)
    for (const late of [
      () => region.dmaAddress,
      () => region.addressAt(0, PAGE),
      () => region.addressOf(handle),
      () => region.mapSingle(0, PAGE, DmaDirection.ToDevice),
      () => mapping.dmaAddress,
      () => coherent.dmaAddress,
      () => pool.addressOf(block),
      () => dmaMapSingle(device, region.bytes, DmaDirection.ToDevice),
      () => dmaAllocCoherent(device, PAGE),
      () => createDmaRegion(device, { memory: region.memory }),
    ]) {
      expect(outcome(late)).toMatchObject({ code: 'DMA_FRAME_MOVED', hint: expect.stringMatching(/unmap/) })
    }
    // The bytes are the program's all the same: nothing was taken from anybody.
    expect(region.bytes[0]).toBe(0)
    for (const one of [region, coherent, pool]) one[Symbol.dispose]()
    // What has no pages in this process cannot be looked at, and is pinned.
    device.ops.verify?.()
    expect(hidden.freed).toBe(false)
    expect(device.dmaReady).toBe(true)
    const again = createDmaRegion(device, { byteLength: 0x20_0000, hugePageSize: 0x20_0000 })
    expect(again.addressAt(0, PAGE)).toBe(physicalAddressAt(again.memory, 0))
    device.close()
    machine.assertQuiescent()
  })
})

describe('a look at all that was given out', () => {
  /** Hides frames of one range of process addresses, from when it is told to. */
  function hidingKernel(kernel: Kernel) {
    let hidden: DmaMemory | undefined
    const readPagemap: Kernel['readPagemap'] = (address, entries) => {
      const end = hidden === undefined ? 0 : hidden.address + hidden.byteLength
      if (hidden !== undefined && address >= hidden.address && address < end) {
        throw new DmaError('EACCES', 'may not be read')
      }
      return kernel.readPagemap(address, entries)
    }
    const hiding = new Proxy(kernel, {
      get(target, name) {
        if (name === 'readPagemap') return readPagemap
        if (name === 'pin') return noPin
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const hide = (memory: DmaMemory | undefined) => {
      hidden = memory
    }
    return { kernel: hiding, hide }
  }

  function noPin(): never {
    throw new DmaError('EPERM', 'no io_uring here')
  }

  it('marks what moved, and tells then what could not be looked at', () => {
    const machine = createFakeMachine({ iommu: 'off', hugePages: 2 })
    const moving = movingKernel(machine.kernel)
    const { kernel, hide } = hidingKernel(moving.kernel)
    const ops = directOps({ unsafePhysicalAddresses: true, kernel })
    const huge = { byteLength: 0x20_0000, hugePageSize: 0x20_0000 }
    const [hiddenOne, moved] = ['hidden', 'moved'].map((name) => {
      const device = new DmaDevice(name, kernel, ops)
      dmaSetMaskAndCoherent(device, dmaBitMask(64))
      return { device, region: createDmaRegion(device, huge) }
    })
    hide(hiddenOne!.region.memory)
    expect(outcome(() => ops.verify?.()).code).toBe('EACCES')
    expect([hiddenOne!.device.dmaReady, moved!.device.dmaReady]).toEqual([true, true])
    moving.move(512n)
    expect(outcome(() => ops.verify?.()).code).toBe('DMA_FRAME_MOVED')
    expect([hiddenOne!.device.dmaReady, moved!.device.dmaReady]).toEqual([true, false])
    // What is known to have moved stays known while it cannot be looked at.
    hide(moved!.region.memory)
    expect(outcome(() => ops.verify?.()).code).toBe('DMA_FRAME_MOVED')
    expect([hiddenOne!.device.dmaReady, moved!.device.dmaReady]).toEqual([false, false])
    hide(undefined)
    moving.move(0n)
    ops.verify?.()
    expect([hiddenOne!.device.dmaReady, moved!.device.dmaReady]).toEqual([true, true])
    for (const { device } of [hiddenOne!, moved!]) device.close()
    machine.assertQuiescent()
  })

  it('takes what is pinned to be in place, where frames are told no more', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    let isTold = true
    const kernel = new Proxy(machine.kernel, {
      get(target, name) {
        if (name === 'readPagemap' && !isTold) {
          return () => {
            throw new DmaError('EACCES', 'may not be read')
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const device = new DmaDevice('bare', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    createDmaRegion(device, { byteLength: PAGE })
    isTold = false
    device.ops.verify?.()
    expect(device.dmaReady).toBe(true)
    device.close()
    machine.assertQuiescent()
  })

  it('looks at memory that a closed device may still reach, for the others that have it', () => {
    class Restless extends DmaDevice {
      protected override whyNotQuiet(): string {
        return 'nothing could stop it'
      }
    }
    const { kernel, device } = machineWithDevice()
    const restless = new Restless('restless', kernel, device.ops)
    dmaSetMaskAndCoherent(restless, dmaBitMask(64))
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    createDmaRegion(device, { memory })
    createDmaRegion(restless, { memory })
    restless.close()
    expect(memory.quarantined).toBe(true)
    device.ops.verify?.()
    expect(device.dmaReady).toBe(true)
  })
})

describe('huge pages that may not be pinned', () => {
  it('are looked at when they are next mapped, or asked for', () => {
    const machine = createFakeMachine({ iommu: 'off', hugePages: 3 })
    machine.kernel.writeText('/proc/sys/kernel/io_uring_disabled', '2')
    for (const use of [
      (region: DmaRegion) => dmaMapSingle(region.device, region.bytes.subarray(PAGE), DmaDirection.ToDevice),
      (region: DmaRegion) => region.dmaAddress,
    ]) {
      const { kernel, move } = movingKernel(machine.kernel)
      const device = new DmaDevice('bare', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
      dmaSetMaskAndCoherent(device, dmaBitMask(64))
      const region = createDmaRegion(device, { byteLength: 0x20_0000, hugePageSize: 0x20_0000 })
      use(region)
      move(512n)
      expect(outcome(() => use(region)).code).toBe('DMA_FRAME_MOVED')
      expect(outcome(() => region.addressAt(0, 1)).code).toBe('DMA_FRAME_MOVED')
      device.close()
    }
    machine.assertQuiescent()
  })
})

describe('memory of a device that may not be at rest', () => {
  class Restless extends DmaDevice {
    protected override whyNotQuiet(): string {
      return 'nothing could stop it'
    }
    proven(): void {
      this.provenQuiet()
    }
  }

  function restless() {
    // Some are closed with mappings left on purpose.
    const { machine, kernel } = machineWithDevice({ checks: 'collect' })
    const device = new Restless('restless', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    return { machine, kernel, device }
  }

  it('is freed where the program says that the device is done with it', () => {
    const { machine, kernel, device } = restless()
    const coherent = dmaAllocCoherent(device, PAGE)
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const mapping = dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)
    coherent.free()
    mapping.unmap()
    device.close()
    memory.close()
    expect(machine.warnings).toEqual([])
    machine.assertQuiescent()
  })

  it('is kept where the device is closed with it, until it is proven quiet', () => {
    const { machine, kernel, device } = restless()
    const { memory } = dmaAllocCoherent(device, PAGE)
    const mine = allocateDmaMemory({ byteLength: PAGE, kernel })
    dmaMapSingle(device, mine.bytes, DmaDirection.ToDevice)
    device.close()
    expect([memory.quarantined, mine.quarantined]).toEqual([true, true])
    expect(outcome(() => mine.bytes)).toMatchObject({
      code: 'DMA_QUARANTINED',
      cause: { code: 'DMA_NOT_QUIET' },
      hint: expect.stringMatching(/is closed.*until the process ends/),
    })
    mine.close()
    expect(mine.quarantined).toBe(true)
    expect(machine.warnings.map((warning) => (warning as { code?: string }).code)).toEqual(['DMA_NOT_QUIET'])
    device.proven()
    expect([memory.closed, memory.quarantined, mine.closed, mine.quarantined]).toEqual([
      true,
      false,
      true,
      false,
    ])
    machine.assertQuiescent()
  })

  it('is kept where stopping the device failed', () => {
    const { machine, kernel } = machineWithDevice({ checks: 'collect' })
    class Stubborn extends DmaDevice {
      protected override quiesce(): void {
        throw new Error('no answer')
      }
    }
    const device = new Stubborn('stubborn', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    const { memory } = dmaAllocCoherent(device, PAGE)
    expect(() => device.close()).toThrow('no answer')
    expect(memory.quarantined).toBe(true)
    expect(machine.warnings).toHaveLength(1)
  })
})

describe('pins of the direct path', () => {
  it('take as many descriptors as there are memories, and not as mappings', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 4000 * PAGE, kernel })
    const before = kernel.live().descriptors
    const mappings = Array.from({ length: 4000 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors - before).toBeLessThan(10)
    expect(mappings[3999]!.dmaAddress).toBe(physicalAddressAt(memory, 3999 * PAGE))
    for (const mapping of mappings) mapping.unmap()
    expect(kernel.live().descriptors).toBe(before)
    expect(memory.isPinned(0, 1)).toBe(false)
    memory.close()
    machine.assertQuiescent()
  })

  it('are the caller’s where these cover a mapping, and hold until its end', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 2000 * PAGE, kernel })
    const pin = memory.pin()
    const before = kernel.live().descriptors
    const mappings = Array.from({ length: 2000 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors).toBe(before)
    pin.close()
    expect(pin.closed).toBe(true)
    pin.close()
    for (const mapping of mappings) {
      expect(memory.isPinned()).toBe(true)
      mapping.unmap()
    }
    expect(memory.isPinned(0, 1)).toBe(false)
    expect(kernel.live().descriptors).toBe(before - 1)
    memory.close()
    machine.assertQuiescent()
  })

  it('go with the memory, whatever is mapped', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 64 * PAGE, kernel })
    const pin = memory.pin(0, 2 * PAGE)
    const mappings = Array.from({ length: 64 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    memory.close()
    expect(pin.closed).toBe(true)
    expect(mappings.some(({ mapped }) => mapped)).toBe(false)
    expect(device.children.size).toBe(0)
    machine.assertQuiescent()
  })
})

describe('allocations on the direct path', () => {
  it('take a huge page where they are longer than a page', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    const coherent = dmaAllocCoherent(device, 8192)
    expect([coherent.bytes.byteLength, coherent.memory.hugePageSize]).toEqual([8192, 0x20_0000])
    expect(coherent.dmaAddress).toBe(physicalAddressAt(coherent.memory, 0))
    const noncoherent = dmaAllocNoncoherent(device, 0x20_0000, DmaDirection.FromDevice)
    expect(noncoherent.memory.hugePageSize).toBe(0x20_0000)
    coherent.free()
    noncoherent.free()
    expect(dmaAllocCoherent(device, PAGE).memory.hugePageSize).toBeUndefined()
    device.close()
    expect(kernel.live().descriptors).toBe(0)
    machine.assertQuiescent()
  })

  it('say what the longest piece is that there can be', () => {
    const { machine, device } = machineWithDevice({ hugePages: 2 })
    dmaSetMaskAndCoherent(device, dmaBitMask(28))
    const failure = outcome(() => dmaAllocCoherent(device, 3 << 20))
    expect(failure.code).toBe('DMA_NOT_CONTIGUOUS')
    expect(failure.message).toMatch(/below 0xfffffff,/)
    expect(failure.hint).toMatch(/^allocate at most 2097152 bytes at a time; or .*dmaMapSgtable/)
    // The pool of 1 GiB pages that the mask would allow is none of this machine's.
    dmaSetMaskAndCoherent(device, dmaBitMask(64))
    expect(outcome(() => dmaAllocCoherent(device, 3 << 20)).hint).toMatch(/at most 2097152 bytes/)
    expect(outcome(() => dmaAllocNoncoherent(device, 3 << 20, DmaDirection.ToDevice)).hint).toMatch(
      /at most 2097152 bytes/,
    )
    machine.assertQuiescent()
  })

  it('that cannot be pinned name a call that does without', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 1 })
    kernel.writeText('/proc/sys/kernel/io_uring_disabled', '2')
    const failure = outcome(() => dmaAllocCoherent(device, 64))
    expect(failure).toMatchObject({ code: 'EPERM', syscall: 'io_uring_setup', errno: -1 })
    expect(failure.hint).toMatch(/dmaAllocCoherent\(device, 64, 0, { hugePageSize: 0x200000 }\)$/)
    expect(dmaAllocCoherent(device, 64, 0, { hugePageSize: 0x20_0000 }).byteLength).toBe(64)
    device.close()
    machine.assertQuiescent()
  })

  it('of a process that has changed its user are refused with what helps', () => {
    const { kernel } = createFakeMachine({ iommu: 'off' })
    const changed = new Proxy(kernel, {
      get(target, name) {
        if (name === 'readPagemap')
          return () => {
            throw new DmaError('EACCES', 'permission denied', { hint: 'setfacl', path: '/proc/self/pagemap' })
          }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const ops = directOps({ unsafePhysicalAddresses: true, kernel: changed })
    const failure = outcome(() => dmaAllocCoherent(new DmaDevice('bare', changed, ops), PAGE))
    expect(failure).toMatchObject({ code: 'EACCES', path: '/proc/self/pagemap' })
    expect(failure.hint).toMatch(/be root/)
    expect(failure.hint).not.toMatch(/setfacl/)
  })

  it('say how to reserve one, and leave nothing', () => {
    const { machine, device } = machineWithDevice()
    const failure = outcome(() => dmaAllocCoherent(device, 8192))
    expect(failure).toMatchObject({ code: 'DMA_NOT_CONTIGUOUS', cause: { code: 'ENOMEM' } })
    expect(failure.hint).toMatch(/hugepages-2048kB\/nr_hugepages/)
    expect(outcome(() => dmaAllocCoherent(device, 2 ** 31)).hint).toMatch(/dmaMapSgtable/)
    expect(device.children.size).toBe(0)
    machine.assertQuiescent()
  })
})

function outcome(action: () => unknown): { code?: string; message?: string; hint?: string } {
  try {
    action()
  } catch (error) {
    return error as { code?: string; message?: string; hint?: string }
  }
  return {}
}
