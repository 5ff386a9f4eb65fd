import { describe, expect, it } from 'vitest'
import { openDisturbed } from '../fixtures/disturbed-device'
import { outcome } from '../fixtures/outcome'

const ones = 0xffff_ffff

describe('a link that is down', () => {
  it('has registers and configuration space read as ones, and no write arrive', () => {
    const { device, registers, model, kernel, disturbance, end } = openDisturbed({ link: 'down' })
    expect([registers.read32(0), registers.read8(0), registers.read64(0)]).toEqual([
      ones,
      0xff,
      2n ** 64n - 1n,
    ])
    registers.write32(0, 1)
    device.config.write16(0x3c, 0)
    expect([device.config.read16(0x00), device.config.read32(0x10)]).toEqual([0xffff, ones])
    const config = kernel.open(`/sys/bus/pci/devices/${model.address}/config`, 0)
    const identity = new Uint8Array(4)
    kernel.read(config, identity)
    kernel.close(config)
    expect([...identity]).toEqual([255, 255, 255, 255])
    expect(outcome(() => device.reset())).toBe('ENOTTY')
    expect([model.memory.getUint32(0, true), model.resets]).toEqual([0, 1])
    expect(disturbance.hits.map(({ what }) => what)).toEqual(['the link goes down'])
    disturbance.stop()
    expect([registers.read32(0), device.config.read16(0x00)]).toEqual([0, 0xcafe])
    end()
  })

  it('lets no byte and no message through', async () => {
    const { device, model, base, bytes, disturbance, machine, end } = openDisturbed({ link: 'down' })
    const interrupts = device.interrupts()
    expect([model.writeMemory(base, [1]), model.readMemory(base, 1).complete]).toEqual([false, false])
    model.interrupt()
    disturbance.stop()
    await expect(interrupts.wait({ timeoutMilliseconds: 10 })).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect([bytes(1), machine.faults]).toEqual([[0], []])
    model.interrupt()
    expect(model.writeMemory(base, [1])).toBe(true)
    await interrupts.wait({ timeoutMilliseconds: 10 })
    end()
  })

  it('goes down and comes back at its time', async () => {
    const { registers, machine, end, now } = openDisturbed({
      link: 'down',
      afterMilliseconds: 5,
      forMilliseconds: 10,
    })
    const read = () => registers.read32(0)
    const began = now()
    expect(read()).toBe(0)
    await machine.clock.sleep(5.01)
    expect(read()).toBe(ones)
    await machine.clock.sleep(10)
    expect(read()).toBe(0)
    expect(machine.log.map(({ time, message }) => [Math.round(time - began), message])).toEqual([
      [5, 'disturbed: the link goes down'],
      [15, 'disturbed: the link is up again, as it was'],
    ])
    end()
  })

  it('has the interrupt line down, which goes up again with it', async () => {
    const { device, model, machine, end } = openDisturbed({
      link: 'down',
      afterMilliseconds: 5,
      forMilliseconds: 10,
    })
    const interrupts = device.interrupts({ kind: 'intx' })
    model.line(true)
    await interrupts.wait({ timeoutMilliseconds: 1 })
    await machine.clock.sleep(6)
    await expect(interrupts.wait({ timeoutMilliseconds: 5 })).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    await interrupts.wait({ timeoutMilliseconds: 10 })
    expect(Math.round(machine.clock.now())).toBe(15)
    model.line(false)
    end()
  })

  it('comes back to a device that was reset: nobody has let it onto the bus', async () => {
    const { device, model, base, machine, registers, bytes, end } = openDisturbed({
      link: 'down',
      forMilliseconds: 10,
      comesBack: 'reset',
    })
    const resets = model.resets
    await machine.clock.sleep(11)
    expect([registers.read32(0), model.resets - resets]).toEqual([0, 1])
    expect(model.writeMemory(base, [1])).toBe(false)
    device.setMaster()
    expect([model.writeMemory(base, [1]), bytes(1)]).toEqual([true, [1]])
    end()
  })

  it('may be cut twice: it is up when both are over', () => {
    const { registers, disturbances, end } = openDisturbed([{ link: 'down' }, { link: 'down' }])
    disturbances[0]!.stop()
    expect(registers.read32(0)).toBe(ones)
    disturbances[1]!.stop()
    expect(registers.read32(0)).toBe(0)
    end()
  })

  it('never goes down when it is stopped before', async () => {
    const { registers, disturbance, machine, end } = openDisturbed({ link: 'down', afterMilliseconds: 5 })
    disturbance.stop()
    await machine.clock.sleep(10)
    expect([registers.read32(0), disturbance.count]).toEqual([0, 0])
    end()
  })

  it('is closed like any other, and opened again once it is back', async () => {
    const { disturbance, machine, device, end } = openDisturbed({ link: 'down' })
    device.close()
    machine.assertQuiescent()
    disturbance.stop()
    const { openVfioDevice } = await import('@linux-dma/vfio')
    using again = openVfioDevice(device.address, { kernel: machine.kernel })
    expect(again.bar(0).read32(0)).toBe(0)
    again.close()
    end()
  })
})

describe('a device that is pulled out at a time', () => {
  it('is gone then, and asked back', async () => {
    const { registers, device, machine, disturbance, end } = openDisturbed({
      link: 'removed',
      afterMilliseconds: 5,
    })
    expect(registers.read32(0)).toBe(0)
    await machine.clock.sleep(6)
    await machine.clock.settle()
    expect(registers.read32(0)).toBe(ones)
    expect(device.removalRequest.reason).toMatchObject({ code: 'DMA_REMOVAL_REQUESTED' })
    expect(disturbance.count).toBe(1)
    disturbance.stop()
    expect(registers.read32(0)).toBe(ones)
    end()
  })

  it('stays where it is stopped before, or was pulled out by hand', async () => {
    const stopped = openDisturbed({ link: 'removed', afterMilliseconds: 5 })
    stopped.disturbance.stop()
    const pulled = openDisturbed([
      { link: 'removed', afterMilliseconds: 5 },
      { link: 'down', afterMilliseconds: 5 },
    ])
    pulled.machine.removeDevice(pulled.model)
    for (const { machine } of [stopped, pulled]) await machine.clock.sleep(6)
    expect(stopped.registers.read32(0)).toBe(0)
    expect(pulled.disturbances.map(({ count }) => count)).toEqual([0, 0])
    stopped.end()
    pulled.end()
  })
})
