import {
  DmaAttribute,
  DmaDevice,
  type DmaError,
  type DmaOps,
  dmaAllocCoherent,
  dmaBitMask,
  dmaSetCoherentMask,
  dmaSetMaskAndCoherent,
  type Kernel,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice, type FakeMachineOptions } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import type { UioConnection } from '../device/connection'
import { openUio } from '../device/open-uio'
import type { UioDevice } from '../device/uio-device'
import { readUioDevice } from '../discovery/list-devices'
import { DriverMemory } from './driver-memory'
import { RegionPool } from './region-pool'

const EDU = '0000:00:04.0'
const PAGE = 4096

function refusal(action: () => unknown): DmaError {
  try {
    action()
  } catch (error) {
    return error as DmaError
  }
  throw new Error('it went through')
}

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

/** The kernel as another process has it: what this one has open is not its own. */
function alone(kernel: Kernel): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'list') return (folder: string) => (folder === '/proc/self/fd' ? [] : target.list(folder))
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel on which another process has a file open. */
function withProcess(kernel: Kernel, path: string): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'list') {
        return (folder: string) =>
          folder === '/proc'
            ? ['self', '66', '77']
            : folder === '/proc/77/fd'
              ? ['0', '9']
              : target.list(folder)
      }
      if (name === 'readLink') {
        return (link: string) =>
          link === '/proc/77/fd/9' ? path : link === '/proc/77/fd/0' ? '/dev/null' : target.readLink(link)
      }
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel that has another text in a file. */
function withFile(kernel: Kernel, file: string, text: string): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'readText') return (path: string) => (path.endsWith(file) ? text : target.readText(path))
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function patched(uioDmaMemory: 'magic' | 'flag', options: FakeMachineOptions = {}) {
  const machine = createFakeMachine({ uioDmaMemory, ...options })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: EDU, driver: 'uio_pci_generic' })
  const device = openUio(0, { kernel: machine.kernel })
  device.setMaster()
  return { machine, kernel: machine.kernel, device }
}

function dmem(kernelRelease: string, options: FakeMachineOptions = {}) {
  const machine = createFakeMachine({ iommu: 'off', kernelRelease, ...options })
  machine.addPlatformDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), {
    name: 'edu.0',
    driver: 'uio_dmem_genirq',
    dynamicRegions: [16384, 65536],
  })
  return { machine, kernel: machine.kernel, open: () => openUio(0, { kernel: machine.kernel }) }
}

/** Has the device copy a pattern through its own buffer, from the allocation's start to its end. */
async function roundTrip(device: UioDevice, byteLength: number): Promise<string> {
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

describe('dynamic regions', () => {
  it('of kernels before 6.9 are coherent memory, the smallest first', async () => {
    const { machine, open } = dmem('6.8.12')
    const device = open()
    expect(await roundTrip(device, PAGE)).toBe('uio_dmem_genirq map1: to and fro')
    const small = device.allocateCoherent(100)
    expect(small.bytes).toEqual(new Uint8Array(100))
    const large = device.allocateCoherent(100)
    expect([small.origin, large.origin]).toEqual(['uio_dmem_genirq map1', 'uio_dmem_genirq map2'])
    const full = refusal(() => device.allocateCoherent(100))
    expect(full.code).toBe('ENOMEM')
    expect(full.message).toContain('uio_dmem_genirq map1 of 16384 bytes (in use)')
    large.bytes[5] = 9
    large.free()
    expect(device.allocateCoherent(16385).bytes).toEqual(new Uint8Array(16385))
    expect(refusal(() => device.allocateCoherent(65537)).message).toContain('no region has 65537 bytes')
    device.close()
    machine.assertQuiescent()
    // Allocated anew, at the first open.
    expect(await roundTrip(open(), 65536)).toBe('uio_dmem_genirq map2: to and fro')
  })

  it('of kernels from 6.9 on are never given to a device', () => {
    const { machine, open } = dmem('6.9.0')
    const device = open()
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_KERNEL_POINTER')
    expect(error.message).toContain('map1, map2')
    expect(error.message).not.toMatch(/0xff/)
    expect(error.hint).toContain('device.mapMemory(1)')
    device.close()
    machine.assertQuiescent()
  })

  it('are not even looked at behind an IOMMU, where the driver maps other memory', () => {
    const { machine, open } = dmem('6.1.0', { iommu: 'on' })
    const device = open()
    expect(refusal(() => device.allocateCoherent(PAGE)).message).toContain('other memory')
    device.close()
    machine.assertQuiescent()
  })

  it('are refused physical addresses there, too', () => {
    const { machine, kernel } = dmem('6.12.0', { iommu: 'on' })
    const error = refusal(() => openUio(0, { kernel, unsafePhysicalAddresses: true }))
    expect(error.code).toBe('DMA_TRANSLATED')
    expect(error.message).toContain('edu.0')
    machine.assertQuiescent()
  })

  it('say that the kernel could not allocate them', () => {
    const { machine, kernel } = dmem('6.1.0')
    const none = ['map1', 'map2'].reduce(
      (changed, map) => withFile(changed, `${map}/addr`, '0xffffffffffffffff'),
      kernel,
    )
    const device = openUio(0, { kernel: none })
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('ENOMEM')
    expect(error.message).toContain('could not allocate map1, map2 when uio0 was opened')
    device.close()
    machine.assertQuiescent()
  })

  it('are refused above the mask', () => {
    const { machine, open } = dmem('6.1.0')
    const device = open()
    dmaSetMaskAndCoherent(device, dmaBitMask(24))
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_ABOVE_MASK')
    expect(error.hint).toContain('dmaSetCoherentMask')
    expect(device.children.size).toBe(0)
    device.close()
    machine.assertQuiescent()
  })

  it('are told from registers without privileges, by what was there before the device was open', async () => {
    const { machine, kernel } = dmem('6.1.0')
    machine.chown('/dev/uio0', 1000)
    machine.setUid(1000)
    const first = openUio(0, { kernel })
    expect(await roundTrip(first, PAGE)).toBe('uio_dmem_genirq map1: to and fro')
    first.close()
    // Where another process has it open, the addresses are there already.
    const late = openUio(0, { kernel: withFile(kernel, 'map1/addr', '0x0000000012340000') })
    expect(await roundTrip(late, PAGE)).toBe('uio_dmem_genirq map2: to and fro')
    late.close()
    const shared = ['map1', 'map2'].reduce(
      (changed, map) => withFile(changed, `${map}/addr`, '0x0000000012340000'),
      kernel,
    )
    const last = openUio(0, { kernel: shared })
    const error = refusal(() => last.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_NOT_MEMORY')
    expect(error.hint).toContain('fuser -v /dev/uio0')
    last.close()
    machine.assertQuiescent()
  })

  it('of another process are not touched, whoever looks', () => {
    const { machine, kernel, open } = dmem('6.1.0')
    const first = open()
    const memory = first.allocateCoherent(PAGE)
    memory.bytes.fill(9)
    const second = openUio(0, { kernel: alone(kernel) })
    const error = refusal(() => second.allocateCoherent(PAGE))
    expect(error).toMatchObject({ code: 'DMA_IN_USE', hint: expect.stringContaining('fuser -v /dev/uio0') })
    expect(error.message).toContain('map1, map2')
    expect(memory.bytes[0]).toBe(9)
    second.close()
    first.close()
    machine.assertQuiescent()
  })

  it('are kept where a device was closed that nothing holds back, until all have closed it', () => {
    const { machine, open } = dmem('6.1.0')
    const first = open()
    const second = open()
    const abandoned = first.allocateCoherent(PAGE)
    first.close()
    expect(abandoned.freed).toBe(true)
    expect(second.allocateCoherent(PAGE).origin).toBe('uio_dmem_genirq map2')
    second.close()
    const third = open()
    expect(third.allocateCoherent(PAGE).origin).toBe('uio_dmem_genirq map1')
    third.close()
    machine.assertQuiescent()
  })
})

describe('memory at the magic offset', () => {
  it('is allocated, used by the device behind its IOMMU, and used again', async () => {
    const { machine, kernel, device } = patched('magic')
    expect(await roundTrip(device, 2 * PAGE)).toBe('uio dma memory map1000: to and fro')
    expect(machine.faults).toEqual([])
    const again = device.allocateCoherent(PAGE)
    expect(again.origin).toBe('uio dma memory map1000')
    expect(again.bytes).toEqual(new Uint8Array(PAGE))
    const next = device.allocateCoherent(1)
    expect([next.origin, next.bytes.byteLength]).toEqual(['uio dma memory map1001', 1])
    const { maps } = readUioDevice(kernel, 'uio0')
    expect(maps.filter(({ dmaMemory }) => dmaMemory).map(({ byteLength }) => byteLength)).toEqual([
      2 * PAGE,
      PAGE,
    ])
    device.close()
  })

  it('leaves alone what an earlier process allocated', () => {
    const { machine, kernel, device } = patched('magic')
    device.allocateCoherent(PAGE)
    device.close()
    machine.assertQuiescent()
    const again = openUio(0, { kernel })
    again.setMaster()
    expect(again.allocateCoherent(PAGE).origin).toBe('uio dma memory map1001')
    again.close()
    machine.assertQuiescent()
  })

  it('above the mask is given back, and no more of it is made', () => {
    const { machine, kernel, device } = patched('magic')
    dmaSetCoherentMask(device, dmaBitMask(24))
    for (let round = 0; round < 3; round++) {
      expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('DMA_ABOVE_MASK')
    }
    expect(kernel.list('/sys/class/uio/uio0/maps').filter((name) => name.startsWith('map1'))).toEqual([
      'map1000',
    ])
    dmaSetCoherentMask(device, dmaBitMask(32))
    expect(device.allocateCoherent(PAGE).origin).toBe('uio dma memory map1000')
    device.close()
    machine.assertQuiescent()
  })

  it('is believed only where sysfs says the same', () => {
    for (const [file, text] of [
      ['addr', '0x0000000012345000'],
      ['size', '0x0000000000002000'],
    ] as const) {
      const { machine, kernel, device } = patched('magic')
      device.close()
      const lying = openUio(0, { kernel: withFile(kernel, `map1000/${file}`, text) })
      lying.setMaster()
      const error = refusal(() => lying.allocateCoherent(PAGE))
      expect(error.code).toBe('DMA_UNTRUSTED_ADDRESS')
      expect(error.message).toContain('map1000')
      // Not tried again: each try would take more memory until the driver goes.
      expect(refusal(() => lying.allocateCoherent(PAGE)).code).toBe('DMA_UNTRUSTED_ADDRESS')
      expect(kernel.list('/sys/class/uio/uio0/maps')).not.toContain('map1001')
      lying.close()
      machine.assertQuiescent()
    }
  })

  it('is memory of the driver, which no memfd is behind', () => {
    const { machine, device } = patched('magic')
    const memory = device.allocateCoherent(PAGE)
    expect(refusal(() => memory.memory).code).toBe('DMA_UNSUPPORTED')
    expect(refusal(() => dmaAllocCoherent(device, PAGE, DmaAttribute.NoKernelMapping)).code).toMatch(
      /DMA_UNSUPPORTED|DMA_TRANSLATED/,
    )
    expect(refusal(() => dmaSetCoherentMask(device, dmaBitMask(24))).code).toBe('DMA_MASK_IN_USE')
    device.close()
    expect(memory.freed).toBe(true)
    expect(refusal(() => memory.bytes).code).toBe('DMA_CLOSED')
    machine.assertQuiescent()
  })

  it('leaves the process at once when the device goes', async () => {
    const { machine, kernel, device } = patched('magic')
    const memory = device.allocateCoherent(PAGE)
    const { bytes } = memory
    bytes.fill(7)
    const gone = new Promise((resolve) => device.removed.addEventListener('abort', resolve))
    kernel.writeText(`/sys/bus/pci/devices/${EDU}/driver/unbind`, EDU)
    await gone
    expect(memory.freed).toBe(true)
    expect(bytes[0]).toBe(0)
    expect(refusal(() => memory.bytes).code).toBe('DMA_DEVICE_GONE')
    expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('DMA_DEVICE_GONE')
    device.close()
    expect(device.children.size).toBe(0)
    machine.assertQuiescent()
  })

  it('leaves nothing mapped whatever fails', () => {
    for (const syscall of ['mmap', 'open', 'read'] as const) {
      const { machine, device } = patched('magic')
      machine.failCall({ syscall, nth: 1, code: 'ENOMEM' })
      try {
        device.allocateCoherent(PAGE).free()
      } catch (error) {
        expect((error as DmaError).code).toMatch(/ENOMEM|DMA_/)
      }
      expect(device.children.size).toBe(0)
      device.close()
      machine.assertQuiescent()
    }
  })
})

describe('slots behind a flag', () => {
  it('are allocated as they are needed, the smallest that fits', async () => {
    const { machine, kernel, device } = patched('flag')
    const addresses = () =>
      ['map1', 'map2'].map((map) => Number(kernel.readText(`/sys/class/uio/uio0/maps/${map}/addr`)) > 0)
    expect(addresses()).toEqual([false, false])
    expect(await roundTrip(device, PAGE)).toBe('uio dma memory map1: to and fro')
    expect(addresses()).toEqual([true, false])
    expect(await roundTrip(device, 0x1_0001)).toBe('uio dma memory map2: to and fro')
    expect(machine.faults).toEqual([])
    const small = device.allocateCoherent(0x1_0000)
    expect(small.bytes).toEqual(new Uint8Array(0x1_0000))
    expect(device.allocateCoherent(1).origin).toBe('uio dma memory map2')
    expect(refusal(() => device.allocateCoherent(1)).code).toBe('ENOMEM')
    device.close()
    machine.assertQuiescent()
  })

  it('are tried again where memory was short, and not believed against sysfs', () => {
    const { machine, kernel, device } = patched('flag')
    // The first is the magic offset.
    machine.failCall({ syscall: 'mmap', nth: 2, code: 'ENOMEM' })
    expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('ENOMEM')
    expect(device.allocateCoherent(PAGE).origin).toBe('uio dma memory map1')
    device.close()
    const lying = openUio(0, { kernel: withFile(kernel, 'map2/addr', '0x0000000000000000') })
    lying.setMaster()
    expect(refusal(() => lying.allocateCoherent(0x2_0000)).code).toBe('DMA_UNTRUSTED_ADDRESS')
    lying.close()
    machine.assertQuiescent()
  })

  it('of another process are left alone while it has the device open', async () => {
    const { machine, kernel, device } = patched('flag')
    const memory = device.allocateCoherent(PAGE)
    const { bytes } = memory
    device.close()
    kernel.mmap(kernel.open('/dev/uio0', 2), { position: 0x1_0001 * PAGE, byteLength: PAGE }).bytes.fill(9)
    const again = openUio(0, { kernel: withProcess(alone(kernel), '/dev/uio0') })
    again.setMaster()
    // The next one that nobody has is taken.
    const free = again.allocateCoherent(PAGE)
    expect(free.origin).toBe('uio dma memory map2')
    const error = refusal(() => again.allocateCoherent(PAGE))
    expect(error).toMatchObject({ code: 'DMA_IN_USE', hint: expect.stringContaining("ps -fp 77'") })
    again.close()
    expect(bytes[0]).toBe(0)
    // Once that process has ended it is as good as any.
    const last = openUio(0, { kernel: alone(kernel) })
    last.setMaster()
    expect(last.allocateCoherent(PAGE).origin).toBe('uio dma memory map1')
    last.close()
    expect(machine.faults).toEqual([])
  })

  it('that another one allocates after the device was opened are no reason to give up', () => {
    const { machine, kernel, device } = patched('flag')
    const fd = kernel.open('/dev/uio0', 2)
    const mapping = kernel.mmap(fd, { position: 0x1_0001 * PAGE, byteLength: PAGE })
    mapping.bytes.fill(9)
    mapping.close()
    kernel.close(fd)
    device.setMaster()
    const memory = device.allocateCoherent(PAGE)
    expect([memory.origin, memory.bytes[0]]).toEqual(['uio dma memory map1', 0])
    device.close()
    machine.assertQuiescent()
  })

  it('of an earlier process are used again: there are no others', async () => {
    const { machine, kernel, device } = patched('flag')
    device.allocateCoherent(PAGE).bytes.fill(9)
    device.close()
    const again = openUio(0, { kernel })
    again.setMaster()
    expect(await roundTrip(again, PAGE)).toBe('uio dma memory map1: to and fro')
    again.close()
    machine.assertQuiescent()
  })
})

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
