import { DmaError, type Kernel } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { machineWithDevice, outcome, PAGE } from '../../test-support/direct-device'
import { dmaAllocCoherent } from '../allocation/coherent'
import { bounceOps } from '../bounce/bounce-ops'
import { DmaDevice } from '../device/dma-device'
import { dmaBitMask, dmaSetMaskAndCoherent } from '../device/masks'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { DmaMemory } from '../memory/memory'
import { physicalAddressAt } from '../memory/physical'
import { dmaPoolCreate } from '../pool/dma-pool-create'
import { toNumber } from '../vocabulary/address'
import { DmaAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import { createDmaRegion } from './create-region'
import { directOps } from './direct-ops'
import type { DmaRegion } from './region'
import { dmaMapSingle } from './streaming'

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
