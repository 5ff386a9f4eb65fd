import { type DmaError, isDmaError } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { alteredKernel } from '../test-support/altered-kernel'
import { PlainDevice } from '../test-support/plain-device'
import { type ConfigWatcher, PciConfigSpace } from './config-space'

const address = '0000:00:07.0'
const COMMAND = 4

function opened(watcher: Partial<ConfigWatcher> = {}, uid = 0) {
  const machine = createFakeMachine()
  machine.addDevice(new PlainDevice(), { address, driver: null })
  const answers = { ones: false }
  const kernel = alteredKernel(machine.kernel, {
    read(fd, bytes, position) {
      const count = machine.kernel.read(fd, bytes, position)
      if (answers.ones) bytes.fill(0xff)
      return count
    },
  })
  const folder = `/sys/bus/pci/devices/${address}`
  kernel.writeText(`${folder}/enable`, '1')
  machine.chown(`${folder}/config`, uid)
  machine.setUid(uid)
  const told: boolean[] = []
  const fd = kernel.open(`${folder}/config`, O_RDWR)
  const config = new PciConfigSpace(kernel, fd, { position: 0, byteLength: 256 }, address, {
    hasMappedRegisters: () => false,
    onBusMaster: (on) => told.push(on),
    ...watcher,
  })
  return { machine, answers, config, told, kernel, fd }
}

function refusal(action: () => void): DmaError {
  try {
    action()
  } catch (error) {
    if (isDmaError(error)) return error
    throw error
  }
  throw new Error('it went through')
}

describe('PciConfigSpace', () => {
  it('tells of bus mastering, whoever switches it', () => {
    const { config, told } = opened()
    expect(config.busMaster).toBe(false)
    config.busMaster = true
    expect([config.busMaster, told.splice(0)]).toEqual([true, [false, true]])
    config.window.write8(COMMAND, config.window.read8(COMMAND) & ~4)
    expect([config.busMaster, told.splice(0)]).toEqual([false, [false]])
    config.window.write32(COMMAND, config.window.read32(COMMAND) | 4)
    expect(told.splice(0)).toEqual([true])
    config.window.write8(0x0c, 0x10)
    expect(told).toEqual([])
  })

  it('switches one bit, and leaves the other of the same register alone', () => {
    const { config } = opened()
    config.intxDisabled = true
    config.busMaster = true
    expect([config.intxDisabled, config.busMaster]).toEqual([true, true])
    config.intxDisabled = false
    expect([config.intxDisabled, config.busMaster]).toEqual([false, true])
    config.busMaster = false
    expect(config.window.read16(COMMAND) & 0x3).toBe(0x3)
  })

  it('does not turn bus mastering on by the bit of the interrupt, where its owner knows it to be off', () => {
    for (const off of [true, false]) {
      const { config } = opened({ isMasterOff: () => off })
      config.busMaster = true
      config.intxDisabled = true
      expect([off, config.intxDisabled, config.busMaster]).toEqual([off, true, !off])
    }
  })

  it('tells how a write found bus mastering', () => {
    const changes: unknown[] = []
    const { config } = opened({ onBusMaster: (...change) => changes.push(change) })
    config.busMaster = true
    config.busMaster = true
    config.window.write16(COMMAND, 2)
    expect(changes).toEqual([[false], [true, false], [false], [true, true], [false, true]])
  })

  it('does not trust bus mastering that could not be read back', () => {
    const { machine, config, told } = opened()
    machine.failCall({ syscall: 'pwrite', code: 'EIO' })
    expect(
      refusal(() => {
        config.busMaster = true
      }).code,
    ).toBe('EIO')
    expect(told).toEqual([false])
  })

  it('refuses a write that would end the process, while registers are mapped', () => {
    let mapped = true
    const { config } = opened({ hasMappedRegisters: () => mapped })
    const command = config.window.read16(COMMAND)
    const off = () => config.window.write16(COMMAND, command & ~2)
    expect(refusal(off).code).toBe('DMA_BAR_IN_USE')
    expect(refusal(() => config.window.write8(COMMAND, 0)).code).toBe('DMA_BAR_IN_USE')
    expect(refusal(() => config.window.write32(COMMAND, 0)).code).toBe('DMA_BAR_IN_USE')
    expect(config.window.read16(COMMAND)).toBe(command)
    config.assertDecoding()
    mapped = false
    off()
    expect(refusal(() => config.assertDecoding())).toMatchObject({
      code: 'DMA_BAR_DISABLED',
      hint: expect.stringContaining('write16(4'),
    })
    mapped = true
    // It is off already: nothing more can break, and other bits may change.
    config.window.write16(COMMAND, command & ~2 & ~1)
    config.window.write16(COMMAND, command)
    config.assertDecoding()
  })

  it('asks whose the device is before each access', () => {
    const asked: boolean[] = []
    const { config } = opened({ assertOwned: (writes) => asked.push(writes) })
    asked.length = 0
    config.window.read8(0)
    config.window.write8(0x0c, 1)
    expect(asked).toContain(true)
    expect(asked[0]).toBe(false)
  })

  it('takes a device that does not answer for one that is off', () => {
    const { config, answers } = opened()
    config.busMaster = true
    answers.ones = true
    expect(config.busMaster).toBe(false)
  })

  it('can be had by whoever owns the file, who may read 64 bytes of it', () => {
    const { config, kernel, fd, machine } = opened({}, 1000)
    config.busMaster = true
    expect(config.busMaster).toBe(true)
    expect(refusal(() => config.window.read8(0x40)).code).toBe('EIO')
    kernel.close(fd)
    config.window.close()
    machine.assertQuiescent()
  })
})
