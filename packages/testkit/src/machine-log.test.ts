import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine } from './machine'
import { MachineLog } from './machine-log'
import { DeviceModel } from './models/device-model'
import { withFakeMachine } from './runner/with-fake-machine'

/** Interrupts when a test says so. */
class Caller extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0003 }
  override readonly interrupts = { msi: 4 }

  override read(): number {
    return 0
  }

  override write(): void {}

  call(vector: number): void {
    this.raiseInterrupt(vector)
  }
}

describe('the log of a machine', () => {
  it('keeps the first thousand lines of a device, and counts the rest in one', () => {
    const machine = createFakeMachine()
    const [lost, other] = [machine.addDevice(new Caller()), machine.addDevice(new Caller())]
    // Nobody turned bus mastering on.
    for (const one of [lost, other]) {
      const device = openVfioDevice(one.address, { kernel: machine.kernel })
      device.setMaster()
      device.interrupts()
      device.clearMaster()
    }
    for (let i = 0; i < 3000; i++) lost.call(0)
    other.call(0)
    expect(machine.log).toHaveLength(1002)
    const of = (address: string) => machine.log.filter(({ device }) => device === address)
    expect(of(lost.address)).toHaveLength(1001)
    expect(of(lost.address)[0]?.message).toContain('bus mastering is off')
    expect(of(lost.address).at(-1)?.message).toBe('and 2000 more lines, which are not kept here')
    expect(of(other.address)).toHaveLength(1)
    // The trace has the last ones.
    expect(machine.trace.events.at(-1)).toMatchObject({ kind: 'note', device: other.address })
  })

  it('keeps apart what was disturbed, which is looked for in the end', () => {
    const log = new MachineLog()
    const entry = (message: string, time: number) => ({ time, device: '0000:00:04.0', message })
    for (let i = 0; i < 1500; i++) log.add(entry('lost', i))
    for (let i = 0; i < 1500; i++) log.add(entry('disturbed: the link is down', 1500 + i))
    expect(log.entries).toHaveLength(2001)
    expect(log.entries[1000]).toEqual(entry('and 1000 more lines, which are not kept here', 2999))
    expect(log.entries[1001]).toEqual(entry('disturbed: the link is down', 1500))
  })

  it('has a test that was disturbed late told of that', async () => {
    const test = withFakeMachine({}, (machine) => {
      const caller = machine.addDevice(new Caller())
      using device = openVfioDevice(caller.address, { kernel: machine.kernel })
      device.setMaster()
      using _interrupts = device.interrupts()
      device.clearMaster()
      for (let i = 0; i < 1100; i++) caller.call(0)
      machine.disturb(caller, { interrupt: 'lost', nth: 1 })
      caller.call(0)
      throw new Error('no interrupt')
    })
    await expect(test).rejects.toMatchObject({
      errors: [{ message: 'no interrupt' }, { code: 'DMA_DISTURBED' }],
    })
  })
})
