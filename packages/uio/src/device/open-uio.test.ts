import { DmaError, type Kernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice, type FakeMachine, type FakeMachineOptions } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUio } from './open-uio'

const EDU = '0000:00:04.0'

function eduMachine(options: FakeMachineOptions = {}): FakeMachine {
  const machine = createFakeMachine(options)
  machine.addDevice(new EduDevice(), { address: EDU, driver: 'uio_pci_generic' })
  return machine
}

/** The error that `action` throws. */
function refusal(action: () => unknown): Error & { code?: string; hint?: string } {
  try {
    action()
  } catch (error) {
    return error as Error
  }
  throw new Error('it went through')
}

/** A kernel that is told of each open() before it is made. */
function beforeOpen(kernel: Kernel, told: (path: string) => void): Kernel {
  const value = (path: string, flags: number) => {
    told(path)
    return kernel.open(path, flags)
  }
  return new Proxy(kernel, {
    get: (target, name) => {
      const member = name === 'open' ? value : Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel whose open() of one path fails. */
function failing(kernel: Kernel, path: string, code: string): Kernel {
  return beforeOpen(kernel, (opened) => {
    if (opened === path) throw new DmaError(code, `${code}: no such node`)
  })
}

describe('openUio', () => {
  it('tells a user without permission the rule for udev that gives it', () => {
    const machine = eduMachine({ uid: 1000 })
    const { code, hint } = refusal(() => openUio(0, { kernel: machine.kernel }))
    expect(code).toBe('EACCES')
    expect(hint).toContain(
      'SUBSYSTEM=="uio", ATTR{name}=="uio_pci_generic", KERNELS=="0000:00:04.0", MODE="0660", GROUP="plugdev"',
    )
    const line = hint?.split('\n')[1]
    expect(line).toMatch(/^SUBSYSTEM=="uio".*resource0"$/)
    expect(hint).toContain(`/sys/bus/pci/devices/${EDU}/config /sys/bus/pci/devices/${EDU}/resource0`)
    expect(hint).toContain('udevadm control --reload')
    machine.assertQuiescent()
  })

  it('lets a user who has the node read registers, and asks for the rest where it is needed', () => {
    const machine = eduMachine({ uid: 1000 })
    machine.chown('/dev/uio0', 1000)
    {
      using device = openUio(0, { kernel: machine.kernel })
      expect(device.bar(0).read32(0)).toBe(0x0100_00ed)
      expect(device.busMaster).toBe(false)
      for (const action of [() => device.setMaster(), () => device.interrupts(), () => device.config]) {
        const { code, hint } = refusal(action)
        expect(code).toBe('EACCES')
        expect(hint).toContain(`sudo chown "$USER" /sys/bus/pci/devices/${EDU}/config`)
      }
    }
    machine.assertQuiescent()
  })

  it('says that the device is gone where that happens meanwhile', () => {
    for (const code of ['ENOENT', 'ENODEV', 'ENXIO']) {
      const machine = eduMachine()
      const unbind = () => machine.kernel.writeText(`/sys/bus/pci/devices/${EDU}/driver/unbind`, EDU)
      const kernel = beforeOpen(machine.kernel, (path) => {
        if (path === '/dev/uio0') unbind()
      })
      expect(refusal(() => openUio(0, { kernel })).code).toBe('DMA_DEVICE_GONE')
      machine.assertQuiescent()
      const other = eduMachine()
      const noNode = failing(other.kernel, '/dev/uio0', code)
      const { hint } = refusal(() => openUio(0, { kernel: noNode }))
      expect(hint).toContain('--device /dev/uio0')
      other.assertQuiescent()
    }
  })

  it('leaves nothing open, whichever system call fails', () => {
    let failed = 0
    for (const syscall of ['open', 'read', 'pread', 'epoll_ctl', 'close', 'readlink', 'scandir']) {
      for (let nth = 1; nth <= 60; nth++) {
        const machine = eduMachine()
        machine.failCall({ syscall, nth, code: 'EIO' })
        try {
          openUio(0, { kernel: machine.kernel }).close()
        } catch {
          failed++
        }
        // A close that fails leaves what it was to close.
        if (syscall !== 'close') machine.assertQuiescent()
      }
    }
    expect(failed).toBeGreaterThan(20)
  })
})
