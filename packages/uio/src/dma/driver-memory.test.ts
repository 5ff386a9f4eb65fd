import { DmaDevice, type DmaOps, type Kernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { refusal } from '../../test-support/driver-machines'
import type { UioConnection } from '../device/connection'
import { openUio } from '../device/open-uio'
import { DriverMemory } from './driver-memory'
import { RegionPool } from './region-pool'

const PAGE = 4096

/** The collector, which a test run has only where it was asked for: a process can ask for it late. */
async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 10; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('driver memory', () => {
  it('is looked after by one system call for an address, where the device has no interrupt, and by none for bytes', () => {
    const machine = createFakeMachine({ iommu: 'off', uioDmaMemory: 'magic' })
    const driver = machine.registerUio({ name: 'quiet', version: '1', irq: 'none' })
    let writes = 0
    const kernel = new Proxy(machine.kernel, {
      get(target, name) {
        if (name === 'write') writes++
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const device = openUio({ name: 'quiet' }, { kernel })
    const memory = device.allocateCoherent(PAGE)
    const writesOf = (action: () => unknown): number => {
      const before = writes
      action()
      return writes - before
    }
    expect(writesOf(() => memory.bytes)).toBe(0)
    expect(writesOf(() => memory.freed)).toBe(0)
    expect(writesOf(() => memory.dmaAddress)).toBe(1)
    driver.unregister()
    expect(memory.freed).toBe(false)
    expect(refusal(() => memory.dmaAddress).code).toBe('DMA_DEVICE_GONE')
    expect(memory.freed).toBe(true)
    for (const late of [() => memory.dmaAddress, () => memory.bytes, () => memory.free()]) {
      expect(refusal(late).code).toBe('DMA_DEVICE_GONE')
    }
    device.close()
  })

  it('of a device that is forgotten leaves the process with its driver, and does not keep the device', async () => {
    const callbacks = new Set<() => void>()
    // By hand: a fake machine remembers who called mmap().
    const mapping = {
      bytes: new Uint8Array(PAGE),
      closed: false,
      close() {
        this.closed = true
      },
    }
    const connection = {
      kernel: { mmap: () => mapping },
      onGone: (callback: () => void) => void callbacks.add(callback),
    } as unknown as UioConnection
    const region = { origin: 'map1', busAddress: 0x1000n, byteLength: PAGE, position: PAGE }
    const forget = () => {
      const device = new DmaDevice('forgotten', {} as Kernel, {} as DmaOps)
      new DriverMemory(device, connection, region, new RegionPool())
      return new WeakRef(device)
    }
    const device = forget()
    await collectGarbage()
    expect(device.deref()).toBeUndefined()
    for (const callback of callbacks) callback()
    expect(mapping.closed).toBe(true)
  })
})
