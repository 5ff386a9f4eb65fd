import type { Kernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from './open-uio'
import type { UioDevice } from './uio-device'

const EDU = '0000:00:04.0'

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

function refusal(action: () => unknown): { code?: string; hint?: string; message?: string } {
  try {
    action()
  } catch (error) {
    return error as Error
  }
  throw new Error('it went through')
}

/** A kernel, and how often something was read or written through it. */
function countingKernel(of: Kernel): { kernel: Kernel; calls: () => number } {
  let calls = 0
  const kernel = new Proxy(of, {
    get(target, name) {
      const member = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...values: unknown[]) => {
        if (name === 'read' || name === 'write') calls++
        return member.apply(target, values)
      }
    },
  })
  return { kernel, calls: () => calls }
}

describe('UioDevice', () => {
  it('is reported where it is forgotten, although what it shares is kept', async () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    const forget = () => {
      const device = openUio(0, { kernel: machine.kernel })
      device.setMaster()
      void device.config
      device.interrupts()
    }
    forget()
    await collectGarbage()
    expect(machine.warnings).toHaveLength(1)
    expect(machine.warnings[0]).toMatchObject({ code: 'DMA_LEAK' })
    expect(machine.warnings[0]?.message).toContain('uio-device.test.ts')
  })

  it('says of what it took, once it is forgotten, that nobody can give it back', async () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    const forget = () => {
      const device = openUio(0, { kernel: machine.kernel })
      device.setMaster()
      device.interrupts()
    }
    forget()
    await collectGarbage()
    using device = openUio(0, { kernel: machine.kernel })
    for (const [code, call] of [
      ['DMA_IN_USE', () => device.setMaster()],
      ['DMA_INTERRUPT_IN_USE', () => device.interrupts()],
    ] as const) {
      const { hint, message, code: got } = refusal(call)
      expect(got).toBe(code)
      expect(message).toContain('was forgotten')
      expect(hint).toMatch(/until this process ends.*\n.*forget .*uio-device\.test\.ts/)
    }
  })

  it('leaves bus mastering alone that a driver of the kernel turned on', () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    const path = `/sys/bus/pci/devices/${EDU}/config`
    const fd = machine.kernel.open(path, 2)
    const command = () => {
      const bytes = new Uint8Array(1)
      machine.kernel.read(fd, bytes, 4)
      return bytes[0]!
    }
    machine.kernel.write(fd, Uint8Array.of(command() | 4), 4)
    const written: number[] = []
    const kernel = new Proxy(machine.kernel, {
      get(target, name) {
        const member = Reflect.get(target, name, target)
        if (name === 'readLink') {
          return (link: string) =>
            link.endsWith('/driver') ? '../drivers/vendor_uio' : target.readLink(link)
        }
        if (name !== 'write') return typeof member === 'function' ? member.bind(target) : member
        return (of: number, bytes: Uint8Array, position?: number) => {
          if (position === 4) written.push(bytes[0]!)
          return target.write(of, bytes, position)
        }
      },
    })
    const found = openUio(0, { kernel })
    expect([found.info.driver, found.busMaster, found.dmaReady]).toEqual(['vendor_uio', true, true])
    found.close()
    expect(written).toEqual([])
    machine.kernel.write(fd, Uint8Array.of(command() | 4), 4)
    const asked = openUio(0, { kernel })
    asked.setMaster()
    asked.clearMaster()
    expect(asked.dmaReady).toBe(false)
    asked.setMaster()
    asked.close()
    expect(written.map((byte) => byte & 4)).toEqual([4, 0, 4])
    // The fake's uio_pci_generic has turned it off by now.
    expect(command() & 4).toBe(0)
    const own = openUio(0, { kernel })
    expect(own.dmaReady).toBe(false)
    own.config.write16(4, own.config.read16(4) | 4)
    expect(own.dmaReady).toBe(true)
    own.close()
    expect(written.at(-1)! & 4).toBe(0)
    machine.kernel.close(fd)
  })

  it("relies on bus mastering that another driver turned on, where configuration space is not the user's", () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    const fd = machine.kernel.open(`/sys/bus/pci/devices/${EDU}/config`, 2)
    machine.kernel.write(fd, Uint8Array.of(6), 4)
    machine.kernel.close(fd)
    machine.chown('/dev/uio0', 1000)
    machine.setUid(1000)
    const kernel = new Proxy(machine.kernel, {
      get(target, name) {
        if (name === 'readLink') {
          return (link: string) =>
            link.endsWith('/driver') ? '../drivers/vendor_uio' : target.readLink(link)
        }
        const member = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    using device = openUio(0, { kernel })
    expect(refusal(() => device.setMaster()).code).toBe('EACCES')
    device.assertReady()
    expect([device.dmaReady, device.busMaster]).toEqual([true, true])
  })

  it('writes nothing to the node while it opens: a driver of the kernel may hear that', () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    let written = 0
    const kernel = new Proxy(machine.kernel, {
      get(target, name) {
        const member = Reflect.get(target, name, target)
        if (name !== 'write') return typeof member === 'function' ? member.bind(target) : member
        return (of: number, bytes: Uint8Array, position?: number) => {
          written++
          return target.write(of, bytes, position)
        }
      },
    })
    using device = openUio(0, { kernel })
    expect([device.info.node, written]).toEqual(['uio0', 0])
  })

  it('says that setMaster() was not called, where firmware left bus mastering on', () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    using device = openUio(0, { kernel: machine.kernel })
    expect(refusal(() => device.assertReady()).message).toContain('is off')
    const fd = machine.kernel.open(`/sys/bus/pci/devices/${EDU}/config`, 2)
    machine.kernel.write(fd, Uint8Array.of(6), 4)
    machine.kernel.close(fd)
    expect(refusal(() => device.assertReady())).toMatchObject({
      code: 'DMA_BUS_MASTER_OFF',
      message: expect.stringContaining('setMaster() was not called'),
    })
  })

  it('asks the kernel nothing for registers that it gave already', () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    const { kernel, calls } = countingKernel(machine.kernel)
    using device = openUio(0, { kernel })
    const regions = () => [device.bar(0), device.map(0), device.config]
    const first = regions()
    const before = calls()
    expect(regions().every((region, index) => region === first[index])).toBe(true)
    expect(calls()).toBe(before)
  })

  it('is no descriptor any more once it is closed: nothing is asked of its number', () => {
    const machine = createFakeMachine()
    const uio = machine.registerUio({
      name: 'silent',
      version: '1',
      irq: 'none',
      mem: [{ memtype: 'logical', byteLength: 4096 }],
    })
    const { kernel, calls } = countingKernel(machine.kernel)
    const device = openUio(0, { kernel })
    const memory = device.mapMemory(0)
    device.close()
    const before = calls()
    expect(refusal(() => memory.bytes).code).toBe('DMA_CLOSED')
    expect(calls()).toBe(before)
    const other = openUio(0, { kernel: machine.kernel })
    const stale = other.mapMemory(0)
    uio.unregister()
    expect(refusal(() => stale.bytes).code).toBe('DMA_DEVICE_GONE')
    expect(stale.closed).toBe(true)
    other.close()
  })

  it('lets go of everything, whichever step of closing fails', () => {
    for (const syscall of ['pwrite', 'close']) {
      const machine = createFakeMachine()
      machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
      const device = openUio(0, { kernel: machine.kernel })
      device.setMaster()
      const stream = device.interrupts()
      machine.failCall({ syscall, code: 'EIO' })
      try {
        device.close()
      } catch (error) {
        expect((error as { code: string }).code).toBe('EIO')
      }
      expect([device.closed, stream.closed, device.dmaReady]).toEqual([true, true, false])
      expect(machine.kernel.live().watches).toBe(0)
      if (syscall !== 'close') machine.assertQuiescent()
    }
  })

  it('needs a privilege for I/O ports, and says which', () => {
    const machine = createFakeMachine()
    machine.registerUio({
      name: 'ports',
      version: '1',
      port: [
        { start: 0x70, size: 2, porttype: 'port_x86' },
        { start: 0, size: 1, porttype: 'port_gpio' },
      ],
    })
    machine.chown('/dev/uio0', 1000)
    using device: UioDevice = openUio(0, { kernel: machine.kernel })
    expect(refusal(() => device.port(1))).toMatchObject({ code: 'DMA_UNSUPPORTED' })
    machine.setUid(1000)
    expect(refusal(() => device.port(0)).code).toMatch(/^(EACCES|EPERM)$/)
    machine.setUid(0)
    machine.setCapabilities([])
    expect(refusal(() => device.port(0))).toMatchObject({
      code: 'EPERM',
      hint: expect.stringContaining('SYS_RAWIO'),
    })
    machine.setCapabilities(undefined)
    expect(device.port(0).read8(0)).toBe(0xff)
  })

  it('takes no region above 2 GiB', () => {
    const machine = createFakeMachine()
    machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
    using device = openUio(0, { kernel: machine.kernel })
    ;(device.info.maps[0] as { byteLength: number }).byteLength = 2 ** 31 + 4096
    expect(refusal(() => device.map(0))).toMatchObject({ code: 'DMA_TOO_LARGE' })
  })
})
