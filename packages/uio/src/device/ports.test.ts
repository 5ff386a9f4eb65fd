import { type BarLayout, createFakeMachine, DeviceModel } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { readUioDevice } from '../discovery/list-devices'
import type { UioConnection } from './connection'
import { openPorts } from './ports'

/** Registers behind I/O ports, which answer with what was written. */
class PortDevice extends DeviceModel {
  override readonly identity = { vendor: 0xcafe, device: 2 }
  override readonly bars: readonly BarLayout[] = [{ kind: 'io', byteLength: 32 }]
  readonly values = new Map<number, number>()
  readonly widths: number[] = []

  override read(_bar: number, byteOffset: number, width: number): number {
    this.widths.push(width)
    return this.values.get(byteOffset) ?? 0
  }

  override write(_bar: number, byteOffset: number, width: number, value: number | bigint): void {
    this.widths.push(width)
    this.values.set(byteOffset, Number(value))
  }
}

describe('openPorts', () => {
  it('takes ports that are in a BAR through it, as wide as they are accessed', () => {
    const machine = createFakeMachine()
    const model = machine.addDevice(new PortDevice(), { driver: 'uio_pci_generic' })
    const { kernel } = machine
    const info = readUioDevice(kernel, 'uio0')
    const start = Number(info.pci!.bars[0]!.address)
    const port = { index: 0, name: 'command', start: start + 8, size: 8, type: 'port_x86' }
    const connection = { kernel, info: { ...info, ports: [port] } } as unknown as UioConnection
    const { region, owner } = openPorts(connection, 0)
    region.write32(4, 0xdead_beef)
    expect(region.read32(4)).toBe(0xdead_beef)
    expect([...model.values]).toEqual([[12, 0xdead_beef]])
    expect(model.widths).toEqual([32, 32])
    expect(() => region.read8(8)).toThrow(expect.objectContaining({ code: 'DMA_RANGE' }))
    owner.close()
    expect(region.closed).toBe(true)
    machine.assertQuiescent()
  })
})
