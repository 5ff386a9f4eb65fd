import { dmaAllocCoherent } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'

function opened() {
  const machine = createFakeMachine()
  const model = machine.addDevice(new PlainDevice())
  const device = openVfioDevice(model.address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, model, device, memory: dmaAllocCoherent(device, 4096) }
}

describe('a device that is pulled out while a program has it open', () => {
  it('asks the program to let go of it', async () => {
    const { machine, model, device } = opened()
    machine.removeDevice(model)
    await machine.clock.settle()
    expect(device.removalRequest.reason).toMatchObject({ code: 'DMA_REMOVAL_REQUESTED' })
    device.close()
    machine.assertQuiescent()
  })

  it('reads as ones in registers that are mapped and in configuration space, and takes no writes', () => {
    const { machine, model, device } = opened()
    const registers = device.bar(0)
    registers.write32(0x10, 7)
    machine.removeDevice(model)
    registers.write32(0x10, 8)
    device.config.write16(0x3c, 0)
    expect([registers.read32(0x10), registers.read8(0x10), registers.read64(0x10)]).toEqual([
      0xffff_ffff,
      0xff,
      0xffff_ffff_ffff_ffffn,
    ])
    expect([device.config.read16(0x00), device.config.read32(0x10)]).toEqual([0xffff, 0xffff_ffff])
    expect(model.memory.getUint32(0x10, true)).toBe(7)
    expect(outcome(() => device.reset())).toBe('ENOTTY')
    expect(model.resets).toBe(1)
    device.close()
    machine.assertQuiescent()
  })

  it('moves no byte and interrupts no one, also by what it had begun', async () => {
    const { machine, model, device, memory } = opened()
    const interrupts = device.interrupts({ kind: 'intx' })
    model.line(true)
    await interrupts.wait({ timeoutMilliseconds: 1 })
    const told: boolean[] = []
    model.later(5, () => {
      told.push(model.writeMemory(Number(memory.dmaAddress), [1, 2, 3]))
      model.interrupt()
      model.line(true)
    })
    machine.removeDevice(model)
    // The line that was up is not, and the kernel's unmasking it finds nothing.
    expect(await interrupts.wait({ timeoutMilliseconds: 50 }).catch(({ code }) => code)).toBe('ETIMEDOUT')
    expect([told, memory.bytes[0], machine.faults]).toEqual([[false], 0, []])
    device.close()
    machine.assertQuiescent()
  })
})
