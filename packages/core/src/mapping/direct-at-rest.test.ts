import { DmaError } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { machineWithDevice, outcome, PAGE } from '../../test-support/direct-device'
import { dmaAllocCoherent } from '../allocation/coherent'
import { dmaAllocNoncoherent } from '../allocation/noncoherent'
import { DmaDevice } from '../device/dma-device'
import { dmaBitMask, dmaSetMaskAndCoherent } from '../device/masks'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { physicalAddressAt } from '../memory/physical'
import { DmaDirection } from '../vocabulary/direction'
import { directOps } from './direct-ops'
import { dmaMapSingle } from './streaming'

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
