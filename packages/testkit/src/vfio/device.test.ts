import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { closeByHand, fields, openByHand, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const config = 7 * 2 ** 40

function opened() {
  const machine = createFakeMachine()
  const device = machine.addDevice(new PlainDevice())
  const session = openByHand(machine, device.address)
  return { machine, kernel: machine.kernel, device, session }
}

describe('a vfio-pci device', () => {
  it('is reset and enabled by the first who opens it, and left quiet by the last', () => {
    const { machine, kernel, device, session } = opened()
    const path = `/sys/bus/pci/devices/${device.address}`
    expect(device.resets).toBe(1)
    expect(kernel.readText(`${path}/enable`)).toBe('1\n')
    const second = session.call(session.group, 'VFIO_GROUP_GET_DEVICE_FD', session.text(device.address))
    expect(device.resets).toBe(1)
    kernel.close(second)
    expect(device.resets).toBe(1)
    const eventfd = kernel.eventfd()
    session.setIrqs(session.device, 0x24, 1, 0, 1, eventfd)
    closeByHand(session)
    expect(device.resets).toBe(2)
    expect(kernel.readText(`${path}/enable`)).toBe('0\n')
    const command = new Uint8Array(2)
    const file = kernel.open(`${path}/config`, 0)
    kernel.read(file, command, 4)
    expect(command[0]! & 4).toBe(0)
    for (const fd of [file, eventfd]) kernel.close(fd)
    machine.assertQuiescent()
  })

  it('resets its registers and keeps its configuration', () => {
    const { kernel, device, session } = opened()
    expect(outcome(() => session.call(session.device, 'VFIO_DEVICE_RESET'))).toBe('OK(0)')
    expect(device.resets).toBe(2)
    const command = new Uint8Array(2)
    kernel.read(session.device, command, config + 4)
    expect(command[0]! & 4).toBe(4)
  })

  it('says that it can be reset, and which vectors may be added later', () => {
    const { session } = opened()
    const info = struct(16, 0, 0, 0)
    session.call(session.device, 'VFIO_DEVICE_GET_INFO', info)
    expect(fields(info).u32(4)).toBe(3)
    const irqs = [0, 1, 2, 4].map((index) => {
      const irq = struct(16, 0, index, 0)
      session.call(session.device, 'VFIO_DEVICE_GET_IRQ_INFO', irq)
      return [fields(irq).u32(4), fields(irq).u32(12)]
    })
    expect(irqs).toEqual([
      [7, 1],
      [9, 4],
      [1, 8],
      [9, 1],
    ])
  })

  it('marks the BAR that holds the MSI-X table', () => {
    const { session } = opened()
    const short = struct(32, 0, 0, 0, 0n, 0n)
    session.call(session.device, 'VFIO_DEVICE_GET_REGION_INFO', short)
    expect([fields(short).u32(0), fields(short).u32(4), fields(short).u32(12)]).toEqual([40, 15, 0])
    const long = struct(40, 0, 0, 0, 0n, 0n, 0n)
    session.call(session.device, 'VFIO_DEVICE_GET_REGION_INFO', long)
    expect([fields(long).u32(12), fields(long).u16(32), fields(long).u16(34), fields(long).u32(36)]).toEqual([
      32, 3, 1, 0,
    ])
  })

  it('refuses arguments that are too short, and resets of a bus that has none', () => {
    const { session } = opened()
    const call = (name: Parameters<typeof session.call>[1], argument: Uint8Array) =>
      outcome(() => session.call(session.device, name, argument))
    expect(call('VFIO_DEVICE_GET_INFO', struct(12, 0, 0, 0))).toBe('EINVAL')
    expect(call('VFIO_DEVICE_GET_IRQ_INFO', struct(12, 0, 0, 0))).toBe('EINVAL')
    expect(call('VFIO_DEVICE_GET_REGION_INFO', struct(16, 0, 0, 0, 0n, 0n))).toBe('EINVAL')
    expect(call('VFIO_DEVICE_SET_IRQS', struct(16, 0x21, 0, 0, 0))).toBe('EINVAL')
    expect(call('VFIO_DEVICE_GET_PCI_HOT_RESET_INFO', struct(12, 0, 0))).toBe('ENODEV')
  })

  it('keeps its group open', () => {
    const { kernel, session } = opened()
    kernel.close(session.group)
    const bytes = new Uint8Array(2)
    kernel.read(session.device, bytes, config)
    expect([...bytes]).toEqual([0xfe, 0xca])
    expect(outcome(() => kernel.open('/dev/vfio/1', 2))).toBe('EBUSY')
    kernel.close(session.device)
    expect(outcome(() => kernel.open('/dev/vfio/1', 2))).toMatch(/^OK/)
  })
})
