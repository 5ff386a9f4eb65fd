import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { fields, openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const intx = 0
const msi = 1
const msix = 2
const request = 4
const none = 1
const bool = 2
const eventfd = 4
const mask = 8
const unmask = 16
const trigger = 32

function opened(device = new PlainDevice()) {
  const machine = createFakeMachine()
  machine.addDevice(device)
  const session = openByHand(machine, device.address)
  const { kernel } = machine
  const fds = Array.from({ length: 8 }, () => kernel.eventfd())
  const count = (fd: number) => {
    const bytes = new Uint8Array(8)
    return outcome(() => kernel.read(fd, bytes)) === 'EAGAIN' ? 0 : Number(fields(bytes).u64(0))
  }
  const set = (flags: number, index: number, start: number, number: number, ...data: number[]) =>
    outcome(() => session.setIrqs(session.device, flags, index, start, number, ...data))
  return { machine, kernel, device, session, fds, count, set }
}

describe('INTx', () => {
  it('fires once and stays masked until it is unmasked, though the line stays up', () => {
    const { device, fds, count, set } = opened()
    expect(set(eventfd | trigger, intx, 0, 1, fds[0]!)).toBe('OK(0)')
    device.line(true)
    device.line(true)
    expect(count(fds[0]!)).toBe(1)
    expect(set(none | unmask, intx, 0, 1)).toBe('OK(0)')
    expect(count(fds[0]!)).toBe(1)
    device.line(false)
    expect(set(none | unmask, intx, 0, 1)).toBe('OK(0)')
    expect(count(fds[0]!)).toBe(0)
    device.line(true)
    expect(count(fds[0]!)).toBe(1)
  })

  it('fires at once when it is enabled while the line is up', () => {
    const { device, fds, count, set } = opened()
    device.interrupt()
    set(eventfd | trigger, intx, 0, 1, fds[0]!)
    expect(count(fds[0]!)).toBe(1)
  })

  it('keeps quiet while masked, by VFIO or by the command register', () => {
    const { kernel, session, device, fds, count, set } = opened()
    set(eventfd | trigger, intx, 0, 1, fds[0]!)
    set(none | mask, intx, 0, 1)
    device.line(true)
    expect(count(fds[0]!)).toBe(0)
    device.line(false)
    set(none | unmask, intx, 0, 1)
    kernel.write(session.device, new Uint8Array([0x06, 0x05]), 7 * 2 ** 40 + 4)
    device.line(true)
    expect(count(fds[0]!)).toBe(0)
  })

  it('is unmasked by an eventfd', () => {
    const { kernel, device, fds, count, set } = opened()
    set(eventfd | trigger, intx, 0, 1, fds[0]!)
    expect(set(eventfd | unmask, intx, 0, 1, fds[1]!)).toBe('OK(0)')
    device.line(true)
    expect(count(fds[0]!)).toBe(1)
    const one = new Uint8Array(new BigUint64Array([1n]).buffer)
    kernel.write(fds[1]!, one)
    expect([count(fds[0]!), count(fds[1]!)]).toEqual([1, 0])
    expect(set(eventfd | unmask, intx, 0, 1, -1)).toBe('OK(0)')
    kernel.write(fds[1]!, one)
    expect([count(fds[0]!), count(fds[1]!)]).toEqual([0, 1])
    expect(set(eventfd | mask, intx, 0, 1, fds[1]!)).toBe('ENOTTY')
  })

  it('can be fired, masked by a flag, moved to another eventfd and to none', () => {
    const { device, fds, count, set } = opened()
    set(eventfd | trigger, intx, 0, 1, fds[0]!)
    set(none | trigger, intx, 0, 1)
    expect(count(fds[0]!)).toBe(1)
    set(eventfd | trigger, intx, 0, 1, fds[1]!)
    device.line(true)
    expect([count(fds[0]!), count(fds[1]!)]).toEqual([0, 1])
    expect(set(eventfd | trigger, intx, 0, 1, -1)).toBe('OK(0)')
    set(none | unmask, intx, 0, 1)
    expect([count(fds[0]!), count(fds[1]!)]).toEqual([0, 0])
  })
})

describe('MSI and MSI-X', () => {
  it('deliver each vector to its own eventfd', () => {
    for (const index of [msi, msix]) {
      const { device, fds, count, set } = opened()
      expect(set(eventfd | trigger, index, 0, 3, fds[0]!, -1, fds[2]!)).toBe('OK(0)')
      for (const vector of [0, 1, 2, 2, 3]) device.interrupt(vector)
      expect(fds.slice(0, 4).map(count)).toEqual([1, 0, 2, 0])
      expect(set(none | trigger, index, 0, 3)).toBe('OK(0)')
      expect(fds.slice(0, 4).map(count)).toEqual([1, 0, 1, 0])
    }
  })

  it('fire those whose flag is set', () => {
    const { session, kernel, fds, count, set } = opened()
    set(eventfd | trigger, msi, 0, 2, fds[0]!, fds[1]!)
    const argument = new Uint8Array(22)
    const view = new DataView(argument.buffer)
    for (const [index, word] of [22, bool | trigger, msi, 0, 2].entries())
      view.setUint32(index * 4, word, true)
    argument.set([0, 1], 20)
    kernel.ioctl(session.device, 0x3b6e, argument)
    expect([count(fds[0]!), count(fds[1]!)]).toEqual([0, 1])
  })

  it('grow by MSI-X vectors, not by MSI ones', () => {
    const { device, fds, count, set } = opened()
    set(eventfd | trigger, msix, 0, 1, fds[0]!)
    expect(set(eventfd | trigger, msix, 5, 1, fds[5]!)).toBe('OK(0)')
    device.interrupt(5)
    expect(count(fds[5]!)).toBe(1)
    set(none | trigger, msix, 0, 0)
    set(eventfd | trigger, msi, 0, 1, fds[0]!)
    expect(set(eventfd | trigger, msi, 1, 1, fds[1]!)).toBe('EINVAL')
  })

  it('use no pin while they are on, and show in the configuration space', () => {
    const { kernel, session, device, fds, count, set } = opened()
    const config = kernel.open(`/sys/bus/pci/devices/${device.address}/config`, 0)
    const enabled = (fd = config, at = 0x42) => {
      const bytes = new Uint8Array(2)
      kernel.read(fd, bytes, at)
      return bytes[0]! & 1
    }
    set(eventfd | trigger, msi, 0, 1, fds[0]!)
    expect(enabled()).toBe(1)
    expect(enabled(session.device, 7 * 2 ** 40 + 0x42), 'vfio-pci shows a copy').toBe(0)
    device.line(true)
    expect(count(fds[0]!)).toBe(0)
    set(none | trigger, msi, 0, 0)
    expect(enabled()).toBe(0)
  })

  it('are lost, with a line in the log, where bus mastering is off or nobody listens', () => {
    const { machine, kernel, session, device, fds, count, set } = opened()
    set(eventfd | trigger, msi, 0, 1, fds[0]!)
    device.interrupt(3)
    kernel.write(session.device, new Uint8Array([0x02]), 7 * 2 ** 40 + 4)
    device.interrupt(0)
    expect(count(fds[0]!)).toBe(0)
    expect(machine.log.map(({ message }) => message)).toEqual([
      'interrupt message 3 is lost: nobody listens to that vector',
      'interrupt message 0 is lost: bus mastering is off',
    ])
  })

  it('are set all or none', () => {
    const { device, kernel, fds, count, set } = opened()
    expect(set(eventfd | trigger, msi, 0, 2, fds[0]!, 99)).toBe('EBADF')
    const memfd = kernel.memfd('x', { byteLength: 1 })
    expect(set(eventfd | trigger, msi, 0, 2, fds[0]!, memfd)).toBe('EINVAL')
    device.interrupt(0)
    expect(count(fds[0]!)).toBe(0)
    expect(set(eventfd | trigger, intx, 0, 1, fds[0]!)).toBe('OK(0)')
  })

  it('outlive the descriptor of their eventfd', () => {
    const { device, kernel, fds, set } = opened()
    set(eventfd | trigger, msi, 0, 1, fds[0]!)
    kernel.close(fds[0]!)
    device.interrupt(0)
    expect(kernel.eventfd()).toBe(fds[0])
  })
})

describe('the request interrupt', () => {
  it('is set, fired and cleared', () => {
    const { fds, count, set } = opened()
    expect(set(none | trigger, request, 0, 1)).toBe('EINVAL')
    set(eventfd | trigger, request, 0, 1, fds[0]!)
    expect(set(none | trigger, request, 0, 1)).toBe('OK(0)')
    expect(count(fds[0]!)).toBe(1)
    expect(set(none | trigger, request, 0, 0)).toBe('OK(0)')
    expect(set(none | mask, request, 0, 1)).toBe('ENOTTY')
  })
})

describe('SET_IRQS refuses', () => {
  const rows: [string, number[], string][] = [
    ['an index beyond the last', [eventfd | trigger, 5, 0, 1, 3], 'EINVAL'],
    ['the error index of a device that is not PCI Express', [eventfd | trigger, 3, 0, 1, 3], 'EINVAL'],
    ['unknown flags', [64 | none | trigger, msi, 0, 1], 'EINVAL'],
    ['no type of data', [trigger, msi, 0, 1], 'EINVAL'],
    ['two types of data', [none | bool | trigger, msi, 0, 1], 'EINVAL'],
    ['two actions', [none | trigger | mask, intx, 0, 1], 'ENOTTY'],
    ['no action', [none, msi, 0, 1], 'ENOTTY'],
    ['more vectors than there are', [none | trigger, msi, 3, 2], 'EINVAL'],
    ['a start beyond the end', [none | trigger, msi, 4, 0], 'EINVAL'],
    ['fewer descriptors than the count says', [eventfd | trigger, msi, 0, 2, 3], 'EINVAL'],
    ['to mask MSI', [none | mask, msi, 0, 1], 'ENOTTY'],
    ['to mask INTx that is not enabled', [none | mask, intx, 0, 1], 'EINVAL'],
    ['to fire what is not enabled', [none | trigger, msi, 0, 1], 'EINVAL'],
    ['to disable what is not enabled', [none | trigger, msi, 0, 0], 'EINVAL'],
  ]
  for (const [title, [flags, index, start, number, ...data], expected] of rows) {
    it(title, () => {
      expect(opened().set(flags!, index!, start!, number!, ...data)).toBe(expected)
    })
  }

  it('a second kind while the first is on', () => {
    const { fds, set } = opened()
    set(eventfd | trigger, msi, 0, 1, fds[0]!)
    expect(set(eventfd | trigger, intx, 0, 1, fds[0]!)).toBe('EINVAL')
    expect(set(eventfd | trigger, msix, 0, 1, fds[0]!)).toBe('EINVAL')
  })
})
