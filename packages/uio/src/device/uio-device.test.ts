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

  it('lets go of everything, whichever step of closing fails', () => {
    for (const syscall of ['pwrite64', 'munmap', 'close']) {
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
